from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from liangji.kernels.buffers import text_buffers
from liangji.kernels.minhash import (
    SKETCH_VALUES,
    SKETCH_WORDS,
    band_hashes,
    most_differences,
    signatures,
    sketch_differences,
    sketches,
)
from liangji.kernels.shingles import BLOCK, jaccard_similarities, letter_table

VALUES = 112


def signed(texts: list[str | None], values: int = VALUES, seed: int = 1) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    buffers = text_buffers(pa.array(texts, pa.large_string()))
    signature, is_present = signatures(buffers.data, buffers.offsets, letter_table(), 4, 5, values, seed)
    return signature, is_present


def random_text(generator: random.Random, letters: int) -> str:
    return "".join(chr(generator.randrange(0x4E00, 0x9FFF)) for _ in range(letters))


def edited(generator: random.Random, text: str, share: float) -> str:
    return "".join(random_text(generator, 1) if generator.random() < share else letter for letter in text)


@pytest.mark.parametrize("letters", [40, 300, 3000])
def test_agreement_estimates_the_similarity_of_short_and_long_texts_alike(letters: int) -> None:
    generator = random.Random(letters)
    pairs = []
    for _ in range(150):
        text = random_text(generator, letters)
        pairs += [text, edited(generator, text, generator.choice([0.02, 0.05, 0.1]))]
    values, _ = signed([*pairs])
    buffers = text_buffers(pa.array(pairs, pa.large_string()))
    even = np.arange(0, len(pairs), 2)
    exact = jaccard_similarities(buffers.data, buffers.offsets, even, even + 1, letter_table(), 4, 5)
    errors = (values[even] == values[even + 1]).mean(axis=1) - exact
    expected = float(np.sqrt((exact * (1 - exact)).mean() / VALUES))  # binomial
    assert abs(errors.mean()) < 4 * expected / np.sqrt(len(errors))
    assert np.sqrt((errors**2).mean()) < 1.15 * expected


def test_bands_find_the_share_of_short_pairs_that_theory_gives() -> None:
    generator = random.Random(5)
    pairs: list[str] = []
    while len(pairs) < 2 * 600:
        text = random_text(generator, 60)
        pairs += [text, edited(generator, text, 0.05)]
    values, _ = signed([*pairs], 110)
    hashes = band_hashes(values, 22, 5)
    buffers = text_buffers(pa.array(pairs, pa.large_string()))
    even = np.arange(0, len(pairs), 2)
    exact = jaccard_similarities(buffers.data, buffers.offsets, even, even + 1, letter_table(), 4, 5)
    met = (hashes[even] == hashes[even + 1]).any(axis=1)
    theory = 1 - (1 - exact**5) ** 22
    assert abs(met.mean() - theory.mean()) < 0.03


def test_every_value_is_filled_and_texts_without_letters_have_none() -> None:
    values, is_present = signed(["天", "abc", "x" * 50_000, "", None, "！？ \n", "天地玄黄" * 9000])
    assert is_present.tolist() == [True, True, True, False, False, False, True]
    assert (values[is_present] != np.uint64(0xFFFFFFFFFFFFFFFF)).all()
    assert (values[~is_present] == np.uint64(0xFFFFFFFFFFFFFFFF)).all()


def test_the_signature_depends_on_the_set_of_shingles_only() -> None:
    short = "天地玄黄宇宙洪荒"
    repeated = (short + "日月") * (3 * BLOCK // 10)
    values, _ = signed([(short + "日月") * 3, repeated])
    assert (values[0] == values[1]).all()


def test_a_seed_gives_the_same_signature_again_and_another_seed_another() -> None:
    text = random_text(random.Random(1), 500)
    one, again, other = (signed([text], seed=seed)[0] for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()
    assert (one == other).mean() < 0.1


PIECES = st.text(st.one_of(st.sampled_from("天地玄黄ab 。"), st.characters(codec="utf-8")), max_size=40)


@given(st.lists(st.none() | PIECES, max_size=4), st.booleans())
def test_a_document_has_the_same_signature_wherever_it_stands(texts: list[str | None], is_large: bool) -> None:
    buffers = text_buffers(pa.array(["before", *texts], pa.large_string() if is_large else pa.string()).slice(1))
    together, is_present = signatures(buffers.data, buffers.offsets, letter_table(), 4, 5, 16, 1)
    for row, text in enumerate(texts):
        alone, is_alone = signed([text], values=16)
        assert (together[row].tolist(), is_present[row]) == (alone[0].tolist(), is_alone[0])


def test_equal_values_in_different_bands_do_not_meet() -> None:
    hashes = band_hashes(np.zeros((1, 8), np.uint64), 4, 2)
    assert len(set(hashes[0].tolist())) == 4


def differences(sketched: NDArray[np.int64]) -> NDArray[np.int64]:
    """In how many values each even row differs from the odd one after it."""
    differs = sketched[::2] ^ sketched[1::2]
    either = np.ascontiguousarray(differs[:, :SKETCH_WORDS] | differs[:, SKETCH_WORDS:])
    counts: NDArray[np.int64] = np.unpackbits(either.view(np.uint8), axis=1).sum(axis=1).astype(np.int64)
    return counts


@pytest.mark.parametrize("letters", [12, 60, 400, 1500])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.04, 0.2])
def test_sketches_rule_out_no_pair_that_is_similar_enough(letters: int, share: float) -> None:
    """With each pair's own similarity as the threshold; a tail of 1e-3 can be counted, one of 1e-6 is only seen if it is broken."""
    generator = random.Random(letters)
    pairs: list[str | None] = []
    for _ in range(400):
        text = random_text(generator, letters)
        pairs += [text, edited(generator, text, share)]
    buffers = text_buffers(pa.array(pairs, pa.large_string()))
    even = np.arange(0, len(pairs), 2)
    exact = jaccard_similarities(buffers.data, buffers.offsets, even, even + 1, letter_table(), 4, 5)
    sketched = sketches(signed(pairs, SKETCH_VALUES)[0])
    found = differences(sketched)
    assert np.array_equal(sketch_differences(sketched[::2].view(np.uint64), sketched[1::2].view(np.uint64)), found)
    for loss, at_most in ((1e-3, 4), (1e-6, 0)):  # 0.4 expected; more than 4 once in 16 000 runs
        most = np.array([most_differences(float(similarity), loss) for similarity in exact])
        assert (found > most).sum() <= at_most
    errors = (1 - found / SKETCH_VALUES * 4 / 3) - exact
    assert abs(errors.mean()) < 0.01


@pytest.mark.parametrize("similarity", [0.31, 0.5, 0.7, 0.8, 0.95, 1.0])
def test_the_bound_of_a_sketch_is_the_tail_of_the_binomial_distribution(similarity: float) -> None:
    drawn = np.random.default_rng(3).binomial(SKETCH_VALUES, 0.75 * (1 - similarity), 2_000_000)
    most = most_differences(similarity, 1e-3)
    assert (drawn > most).mean() <= 1.2e-3
    assert most == 0 or (drawn > most - 1).mean() >= 0.8e-3
    assert most <= most_differences(similarity, 1e-6)
