"""A dictionary of words with frequencies as a hashed trie: what `liangji.kernels.segmentation` looks words up in.

Layout: one structured array `nodes`, its length a power of two, 16 bytes a node, so that a step touches one cache line. A node is
named by its place. The child of node p by the character c lies at the first place from `hash(p, c)` on, counted round, where
`parent` is p and `character` is c; a place with the parent `FREE` before that says that there is none. The root is nowhere: its
children have the parent `ROOT`. `weight` is the natural logarithm of the word's share of all words of the dictionary where a word
ends at the node, and NaN elsewhere; `branches` is 1 where a node has children, so that nobody looks for those of a leaf.

Trick: it is a hash table of (parent, character) in which the place of an entry is the name of the child, so that a child needs
no field of its own. Built in one walk over the words in a tenth of a second; a double array of the same words is a quarter
smaller and takes eight seconds to fit.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.buffers import text_buffers
from liangji.kernels.characters import decode

NODE = np.dtype([("parent", np.int32), ("character", np.uint16), ("branches", np.uint16), ("weight", np.float64)])
FREE, ROOT = -1, -2
_FACTOR = np.uint32(0x9E3779B1)  # the golden ratio of 2^32, Knuth, TAOCP vol. 3, section 6.4


class WordTrie(NamedTuple):
    nodes: NDArray[np.void]
    unknown: float  # weight of a single character that is no word: that of a word seen once


def word_trie(words: pa.Array, frequencies: NDArray[np.int64], total: int) -> WordTrie:
    """Build a trie.

    `words`: string array of characters of the Basic Multilingual Plane, none empty or null; of a word that comes twice the last one
    holds. `frequencies`: int64, how often each was seen, from 1 up. `total`: how often all words of the dictionary were seen,
    those left out here as well.
    """
    data, offsets, _ = text_buffers(words)
    # As jieba calculates, with the logarithm of the C library: numpy's may differ in the last bit, and a tie be broken otherwise.
    log_total = math.log(total)
    values, inverse = np.unique(frequencies, return_inverse=True)
    weights = np.array([math.log(value) - log_total for value in values.tolist()], np.float64)[inverse]
    most = int(pc.sum(pc.utf8_length(words)).as_py() or 0)
    nodes = _insert(data, offsets, weights, _unused(most))
    used = int(np.count_nonzero(nodes["parent"] != FREE))
    return WordTrie(_insert(data, offsets, weights, _unused(used)), -log_total)


def _unused(nodes: int) -> NDArray[np.void]:
    """Make room for nodes, at most two thirds of it full."""
    places = np.zeros(1 << max(nodes * 3 // 2, 1).bit_length(), NODE)
    places["parent"], places["weight"] = FREE, np.nan
    return places


@njit(nogil=True, cache=True)
def _insert(data: Any, offsets: Any, weights: Any, nodes: Any) -> Any:
    for word in range(offsets.shape[0] - 1):
        node = ROOT
        at = offsets[word]
        while at < offsets[word + 1]:
            character, width = decode(data, at)
            at += width
            place = find_place(nodes, node, character)
            if nodes[place].parent == FREE:
                nodes[place].parent = node
                nodes[place].character = character
            if node != ROOT:
                nodes[node].branches = 1
            node = place
        nodes[node].weight = weights[word]
    return nodes


@njit(inline="always")
def find_place(nodes: Any, parent: Any, character: Any) -> Any:
    """Find where the child of a node by a character is, or, where `parent` is FREE there, would be."""
    mask = nodes.shape[0] - 1
    mixed = (np.uint32(parent) ^ np.uint32(character * 0x10001)) * _FACTOR
    place = np.int64(mixed ^ (mixed >> np.uint32(15))) & mask
    while nodes[place].parent != FREE and (nodes[place].parent != parent or nodes[place].character != character):
        place = (place + 1) & mask
    return place
