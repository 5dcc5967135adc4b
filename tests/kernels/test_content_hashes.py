from __future__ import annotations

import pyarrow as pa
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from liangji.kernels.buffers import TextBuffers, text_buffers
from liangji.kernels.content_hashes import content_hashes, folded_content_hashes, folding_table

TEXTS = st.lists(
    st.text(st.one_of(st.sampled_from("aAbＡ 　\n\t\x1c\u2003，,éÉ天"), st.characters(codec="utf-8")), max_size=6), max_size=8
)


def folded(text: str, folds_case: bool) -> str:
    kept = []
    for character in text:
        if character.isspace():
            continue
        if folds_case and "\uff01" <= character <= "\uff5e":
            character = chr(ord(character) - 0xFEE0)  # noqa: PLW2901
        lowered = character.lower()
        kept.append(lowered if folds_case and len(lowered) == 1 else character)
    return "".join(kept)


def sliced(texts: list[str], is_large: bool) -> TextBuffers:
    """Give the texts, and a null behind them, as a slice that does not begin where its data does."""
    return text_buffers(pa.array(["before", *texts, None], pa.large_string() if is_large else pa.string()).slice(1))


@given(TEXTS, st.booleans())
def test_the_hash_is_xxh3_of_the_bytes(texts: list[str], is_large: bool) -> None:
    buffers = sliced(texts, is_large)
    found = [(int(high) << 64) | int(low) for high, low in content_hashes(buffers.data, buffers.offsets)]
    assert found == [xxhash.xxh3_128_intdigest(text.encode()) for text in [*texts, ""]]


@given(TEXTS, st.booleans(), st.booleans())
def test_folded_hashes_are_equal_where_the_folded_texts_are(texts: list[str], folds_case: bool, is_large: bool) -> None:
    texts = texts + [text.upper() for text in texts] + [f" {text}　" for text in texts]
    buffers = sliced(texts, is_large)
    hashes = [tuple(pair) for pair in folded_content_hashes(buffers.data, buffers.offsets, folding_table(folds_case)).tolist()]
    plain = [folded(text, folds_case) for text in [*texts, ""]]
    assert [hashes.index(value) for value in hashes] == [plain.index(value) for value in plain]
