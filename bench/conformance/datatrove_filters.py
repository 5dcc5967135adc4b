"""Run datatrove's filters on documents from stdin (a JSON string a line) and print their verdicts; runs in datatrove's own environment.

Words are cut at white space instead of by spaCy, so that the rules are compared and not the word splitters. Sentences of C4 come from
spaCy, as datatrove makes them. One JSON object a line goes out: filter → [keeps, reason].
"""

from __future__ import annotations

import json
import sys

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)


def split_at_white_space(text: str, *_: object) -> list[str]:
    return text.split()


for module in (fineweb_quality_filter, gopher_quality_filter, gopher_repetition_filter):
    module.split_into_words = split_at_white_space

FILTERS = {
    "gopher quality": GopherQualityFilter(),
    "gopher repetition": GopherRepetitionFilter(),
    "c4": C4QualityFilter(),
    "fineweb": FineWebQualityFilter(),
}

for line in sys.stdin:
    verdicts = {}
    for name, rule in FILTERS.items():
        verdict = rule.filter(Document(text=json.loads(line), id=""))  # C4 rewrites the text: a fresh document each
        verdicts[name] = [True, ""] if verdict is True else [False, verdict[1]]
    sys.stdout.write(json.dumps(verdicts) + "\n")
