"""What the `run.py` of every peer shares: its slice of the corpus, the clock, and the JSON it prints. Standard library only.

python -m bench.peers.<peer>.run --list          the steps it has
python -m bench.peers.<peer>.run STEP LANGUAGE   measures one, in the peer's environment, from the root of the repository
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

CORPUS = Path(__file__).parent.parent / ".corpus"


class Slice(NamedTuple):
    """The first documents of the corpus in one language."""

    language: str
    ids: list[str]
    texts: list[str]

    @property
    def text_bytes(self) -> int:
        return sum(len(text.encode()) for text in self.texts)


class Spent(NamedTuple):
    cpu_seconds: float  # of the step alone
    figures: dict[str, Any]  # whatever else it tells


class Step(NamedTuple):
    measure: Callable[[Slice], Spent]
    megabytes: float  # of text, so that it is done within two minutes


def main(steps: dict[str, Step], packages: Iterable[str]) -> None:
    if sys.argv[1:] == ["--list"]:
        print(json.dumps({"steps": list(steps), "versions": {name: version(name) for name in packages}}))
        return
    name, language = sys.argv[1:]
    step = steps[name]
    documents = read_slice(language, int(step.megabytes * 1e6))
    spent = step.measure(documents)
    measured = {
        "text_bytes": documents.text_bytes,
        "documents": len(documents.ids),
        "net_cpu_seconds": round(spent.cpu_seconds, 4),
        **spent.figures,
    }
    print(json.dumps(measured))


def read_slice(language: str, size_bytes: int) -> Slice:
    documents = Slice(language, [], [])
    for file in sorted((CORPUS / language).glob("[0-9][0-9].jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                documents.ids.append(record["id"])
                documents.texts.append(record["text"])
                size_bytes -= len(record["text"].encode())
                if size_bytes <= 0:
                    return documents
    return documents


def write_slice(documents: Slice, folder: Path) -> Path:
    """Write a slice as a JSON Lines file, for tools that read files."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "slice.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for name, text in zip(documents.ids, documents.texts, strict=True):
            file.write(json.dumps({"id": name, "text": text}, ensure_ascii=False) + "\n")
    return path


def cpu_seconds(work: Callable[[], object]) -> float:
    """Give the user and system time of this process and of those it starts and waits for."""
    started = time.process_time() + _children()
    work()
    return time.process_time() + _children() - started


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def caught(language: str, ids: Iterable[str], removed: Iterable[str], planted: str = "") -> dict[str, list[int]]:
    """Tell for each kind of planted copy how many are caught (not both kept), of how many whose original is there too.

    `planted`: only this kind.
    """
    there, gone = set(ids), set(removed)
    counts: dict[str, list[int]] = {}
    for file in sorted((CORPUS / language).glob("*.truth.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            pair = json.loads(line)
            if pair["id"] in there and pair["original"] in there and planted in ("", pair["planted"]):
                count = counts.setdefault(pair["planted"], [0, 0])
                count[0] += bool({pair["id"], pair["original"]} & gone)
                count[1] += 1
    return dict(sorted(counts.items()))


def dedup_figures(documents: Slice, removed: Iterable[str], planted: str = "") -> dict[str, Any]:
    gone = set(removed)
    return {"removed": len(gone), "caught": caught(documents.language, documents.ids, gone, planted)}
