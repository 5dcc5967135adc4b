"""Arrow string arrays as two flat numpy arrays, without a copy: what every kernel reads.

`data` holds the UTF-8 bytes of all documents one after the other; document i is `data[offsets[i]:offsets[i + 1]]`. Offsets are
widened to int64, so that a kernel is compiled once for 32-bit and 64-bit strings. A slice of an array keeps the whole `data`
and takes its part of `offsets`. A null document has equal offsets; ask `valid` to tell it from an empty one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class TextBuffers(NamedTuple):
    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]  # int64[documents + 1]; the first is not 0 where the array is a slice
    valid: NDArray[np.bool_]


def text_buffers(array: pa.Array) -> TextBuffers:
    """View a string or large_string array as bytes and offsets. `array` must outlive the view.

    Raises TypeError for an array of another type, ValueError where a null row owns bytes.
    """
    if pa.types.is_string(array.type):
        width: np.dtype[Any] = np.dtype(np.int32)
    elif pa.types.is_large_string(array.type):
        width = np.dtype(np.int64)
    else:
        raise TypeError(f"expected a string array, got {array.type}")
    rows = len(array)
    validity, offset_buffer, data_buffer = array.buffers()
    if rows == 0 or offset_buffer is None:
        return TextBuffers(np.zeros(0, np.uint8), np.zeros(rows + 1, np.int64), np.zeros(rows, np.bool_))
    offsets = np.frombuffer(offset_buffer, width, rows + 1, array.offset * width.itemsize).astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    if validity is None:
        return TextBuffers(data, offsets, np.ones(rows, np.bool_))
    valid = np.asarray(array.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    if not valid.all():
        _refuse_gaps(offsets, valid)
    return TextBuffers(data, offsets, valid)


def _refuse_gaps(offsets: NDArray[np.int64], valid: NDArray[np.bool_]) -> None:
    """Refuse the rare layout in which a null row still owns bytes: kernels take documents by consecutive offsets."""
    if np.any(np.diff(offsets)[~valid]):
        raise ValueError("null rows own bytes: pass the column through pyarrow.compute.fill_null first")
