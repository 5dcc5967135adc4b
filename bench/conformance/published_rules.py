"""Compare the presets gopher, c4 and fineweb with datatrove's filters, document by document, on real text.

    python -m bench.conformance.published_rules ../shared/data [--show 5]

Makes an environment for datatrove under bench/.environments at the first run (needs a package index). Documents are web
pages, Markdown files whole and cut at their headings, rows of a table of dialogues, and texts made from lines of these to reach the rules
that real text seldom meets.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import itertools
import json
import random
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import zstandard

from bench.environments import ensure_environment
from liangji.pipeline.cleaning.rules import Keep, preset
from liangji.pipeline.evaluation.text import MeasureText

HERE = Path(__file__).parent
QUALITY_RULES = 11  # of preset gopher; the others are its repetition rules


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--show", type=int, default=3, help="differing documents to show for each filter")
    options = arguments.parse_args()
    sets = {"English": list(english(options.folder)), "Chinese": list(chinese(options.folder))}
    sets["made"] = list(made(sets["English"]))
    header = f"{'documents':10} {'filter':18} {'number':>7} {'peer keeps':>11} {'we keep':>8} {'equal':>9}"
    sys.stdout.write(header + "\n")
    for name, texts in sets.items():
        peers = peer_verdicts(texts)
        for rule, ours in our_reasons(texts).items():
            equal = [(verdicts[rule][0]) == (reason is None) for verdicts, reason in zip(peers, ours, strict=True)]
            kept_by_peer = sum(verdicts[rule][0] for verdicts in peers)
            row = f"{name:10} {rule:18} {len(texts):7} {kept_by_peer:11} {ours.count(None):8} {sum(equal) / len(equal):9.2%}"
            sys.stdout.write(row + "\n")
            differing = (i for i, same in enumerate(equal) if not same)
            for i in itertools.islice(differing, options.show):
                sys.stdout.write(f"    peer {peers[i][rule]}, we {ours[i]}: {texts[i][:100]!r}\n")


def our_reasons(texts: list[str]) -> dict[str, list[str | None]]:
    measured = MeasureText(words="whitespace")(pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.large_string())}))
    gopher = [rule.reason for rule in preset("gopher").rules]
    rules = {
        "gopher quality": Keep(preset="gopher", overrides=dict.fromkeys(gopher[QUALITY_RULES:], False)),
        "gopher repetition": Keep(preset="gopher", overrides=dict.fromkeys(gopher[1:QUALITY_RULES], False)),
        "c4": Keep(preset="c4"),
        "fineweb": Keep(preset="fineweb"),
    }
    return {name: rule(measured).column("drop_reason").to_pylist() for name, rule in rules.items()}


def peer_verdicts(texts: list[str]) -> list[dict[str, tuple[bool, str]]]:
    python = str(ensure_environment("datatrove"))
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    command = [python, "-W", "ignore", str(HERE / "datatrove_filters.py")]
    done = subprocess.run(command, input=lines, text=True, capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def english(folder: Path) -> Iterator[str]:
    with gzip.open(folder / "instruct" / "c4_demo.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from (json.loads(line)["text"] for line in lines)
    for text in markdown(folder / "text" / "docs_rust_en_md.tar.zst"):
        yield from whole_and_sections(text)


def chinese(folder: Path) -> Iterator[str]:
    for archive in ("docs_vue_zh_md", "docs_rust_zh_md", "laws_zh_md"):
        for text in itertools.islice(markdown(folder / "text" / f"{archive}.tar.zst"), 100):
            yield from itertools.islice(whole_and_sections(text), 12)
    table = (folder / "text" / "medical_qa_gb18030.csv").read_bytes().decode("gb18030", "replace")
    for row in itertools.islice(csv.DictReader(io.StringIO(table)), 200):
        yield row["ask"] + "\n" + row["answer"]


def markdown(archive: Path) -> Iterator[str]:
    with (
        archive.open("rb") as packed,
        tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(packed), mode="r|") as members,
    ):
        for member in members:
            content = members.extractfile(member) if member.name.endswith(".md") else None
            if content:
                yield content.read().decode()


def whole_and_sections(text: str) -> Iterator[str]:
    yield text
    yield from filter(None, re.split(r"^(?=#)", text, flags=re.MULTILINE))


def made(texts: list[str]) -> Iterator[str]:
    """Shuffle, repeat and decorate lines of real text, so that each rule has documents on both sides of its threshold."""
    chance = random.Random(7)
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    extras = ["", " ", "...", "- item", "• item", "#", "Lorem ipsum dolor sit amet.", "Turn on Javascript to see this page.", "…"]
    extras += ["We use cookies to make this better.", "He said [12] that it works.[edit]", "1 2 3 4 5 6", "{ return one two; }."]
    for _ in range(600):
        pool = chance.choices(lines, k=chance.randint(1, 60)) + chance.choices(extras, k=chance.randint(0, 3))
        picked = pool + chance.choices(pool, k=chance.randint(0, 20))
        joiner = chance.choice(["\n", "\n\n", " ", "\r\n", "\n\n\n"])
        yield joiner.join(picked) + chance.choice(["", "\n", "\n\n"])


if __name__ == "__main__":
    main()
