"""Tokens: exact counts of known vocabularies, from files alone."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from liangji.core.errors import InputError, UsageError
from liangji.pipeline.evaluation.tokens import CountTokens


def counts(operator: CountTokens, *texts: str | None) -> list[int | None]:
    measured = operator(pa.record_batch({"text": pa.array(texts, pa.large_string())}))
    found: list[int | None] = measured[measured.schema.names[-1]].to_pylist()
    return found


@pytest.fixture
def tokenizer_json(tmp_path: Path) -> Path:
    """Write a tokenizer whose tokens are words, and that has a special token."""
    path = tmp_path / "tokenizer.json"
    special = {
        "id": 2,
        "content": "<end>",
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    content = {
        "version": "1.0",
        "added_tokens": [special],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "pump": 1, "<end>": 2}, "unk_token": "[UNK]"},
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_qwens_vocabulary_counts_as_published() -> None:
    # Counts of the model's own tokenizer for the same strings.
    assert counts(CountTokens(), "hello world", "设备运行正常。", "", None) == [2, 4, 0, None]


def test_the_package_that_carries_the_vocabulary_is_not_run() -> None:
    counts(CountTokens(), "text")
    assert "dashscope" not in sys.modules


def test_the_name_of_a_special_token_is_text() -> None:
    found = counts(CountTokens(), "<|endoftext|>")[0]
    assert found is not None
    assert found > 1


def test_a_tokenizer_json_is_read(tokenizer_json: Path) -> None:
    assert counts(CountTokens(tokenizer=str(tokenizer_json)), "pump pump fan", "<end>", None) == [3, 3, None]


def test_a_tiktoken_file_is_read_with_its_pattern(tmp_path: Path) -> None:
    path = tmp_path / "bytes.tiktoken"
    path.write_text("YQ== 0\nYg== 1\nYWI= 2\n", encoding="ascii")
    assert counts(CountTokens(tokenizer=str(path)), "abab") == [2]
    assert counts(CountTokens(tokenizer=str(path), pattern="."), "abab") == [4]


def test_another_file_is_another_operator(tokenizer_json: Path) -> None:
    operator = CountTokens(tokenizer=str(tokenizer_json))
    assert len(operator.fingerprint()) == 64
    assert operator.fingerprint() != CountTokens().fingerprint()


def test_threads_get_the_same_counts() -> None:
    texts = ["轴承温度偏高，已更换。" * repeat for repeat in range(1, 30)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: counts(CountTokens(), *texts), range(8)))
    assert answers == [counts(CountTokens(), *texts)] * 8


def test_the_estimate_is_near_the_count_on_real_statutes(shared_data: Path) -> None:
    lines = (shared_data / "text" / "medical_qa_gb18030.csv").read_bytes().decode("gb18030").splitlines()[1:1001]
    exact, estimate = counts(CountTokens(), "\n".join(lines))[0], counts(CountTokens(method="estimate"), "\n".join(lines))[0]
    assert exact is not None
    assert estimate is not None
    assert abs(estimate / exact - 1) < 0.15


def test_a_file_that_is_missing_or_no_tokenizer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no tokenizer file"):
        counts(CountTokens(tokenizer=str(tmp_path / "none.json")), "a")
    for name, content in (("wrong.json", "{}"), ("wrong.tiktoken", "no line of two parts, surely"), ("odd.tiktoken", "YQ 0")):
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match="this is no tokenizer"):
            counts(CountTokens(tokenizer=str(tmp_path / name)), "a")
