"""Images, sound, video and sensor logs: what they are, and whether they are whole; and COCO annotations."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO, ClassVar

import orjson
from pydantic import Field
from pydantic.dataclasses import dataclass

from liangji.core.errors import InputError, LimitExceeded
from liangji.core.operator import STRICT, OperatorKind
from liangji.core.reading import Fault, Note, Raw, RawRecord, ReadLimits
from liangji.core.schema import Modality
from liangji.pipeline.collection.streams import read_whole

_HASH_BYTES = 1 << 20
_FETCH_AGAIN = "fetch or copy the file again"


def _media_fields(stream: BinaryIO, origin: str, **fields: Any) -> dict[str, Any]:
    """Give path, SHA-256 and size of a file, read from its start."""
    stream.seek(0)
    digest, size = hashlib.sha256(), 0
    while data := stream.read(_HASH_BYTES):
        digest.update(data)
        size += len(data)
    return {"path": origin, "sha256": digest.hexdigest(), "size_bytes": size, **fields}


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadImage:
    """Read an image's size and decode it once to see that it is whole.

    Input:  JPEG, PNG, GIF, WebP, BMP or TIFF.
    Output: `path`, `sha256`, `size_bytes`, `width`, `height`, `format`. Truncated, or over the limit of pixels, is a fault.
    Source: ITU-T T.81 (JPEG); ISO/IEC 15948 (PNG).
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.IMAGE
    endings: ClassVar[tuple[str, ...]] = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
    magic: ClassVar[tuple[bytes, ...]] = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
    seeks: ClassVar[bool] = True

    decode: Annotated[bool, Field(description="decode the picture, to find truncated ones; false: trust the header")] = True

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        from PIL import Image, UnidentifiedImageError  # noqa: PLC0415  # a native library

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the library's own limit on pixels: ours is below
                picture = Image.open(stream)
        except UnidentifiedImageError as error:
            raise InputError("not an image, or its header is damaged", "", _FETCH_AGAIN) from error
        except (OSError, SyntaxError, ValueError, struct.error) as error:
            raise InputError(f"truncated or damaged image: {error}", "", _FETCH_AGAIN) from error
        except Image.DecompressionBombError as error:
            raise _too_many_pixels(str(error).partition("(")[2].partition(" ")[0], limits) from error
        with picture:
            width, height = picture.size
            name = picture.format or "image"
            if width * height > limits.pixels:
                raise _too_many_pixels(f"{width} × {height} = {width * height}", limits)
            if self.decode:
                try:
                    picture.load()
                except (OSError, SyntaxError, ValueError, struct.error) as error:
                    is_cut = "truncated" in str(error) or "broken" in str(error)
                    raise InputError(
                        f"truncated {name}: {error}" if is_cut else f"damaged {name}: {error}", "", _FETCH_AGAIN
                    ) from error
            ending = origin.rpartition(".")[2].lower()
            usual = {"JPEG": ("jpg", "jpeg"), "TIFF": ("tif", "tiff"), "MPO": ("jpg", "jpeg")}.get(name, (name.lower(),))
            if ending not in usual:
                yield Note(origin, f"named .{ending}, but is a {name} image", code="wrong_ending")
        yield RawRecord(_media_fields(stream, origin, width=width, height=height, format=name), 0, origin=origin)


def _too_many_pixels(pixels: str, limits: ReadLimits) -> LimitExceeded:
    what = f"image of {pixels} pixels, over the limit of {limits.pixels}; not decoded"
    return LimitExceeded(what, "", "raise `limits: {reading: {pixels: …}}` in the recipe, or scale it down")


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadWav:
    """Read a WAV recording's rate, channels and duration, and compare what its header promises with what is there.

    Input:  RIFF/WAVE.
    Output: `path`, `sha256`, `size_bytes`, `sample_rate_hertz`, `channels`, `duration_seconds`.
    Source: Multimedia Programming Interface and Data Specifications 1.0 (RIFF), 1991.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.AUDIO
    endings: ClassVar[tuple[str, ...]] = (".wav", ".wave")
    magic: ClassVar[tuple[bytes, ...]] = (b"RIFF",)
    seeks: ClassVar[bool] = True

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        del limits
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        head = stream.read(12)
        if head[8:12] == b"WEBP":
            yield from ReadImage()(stream, origin, ReadLimits())
            return
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            raise InputError("not a WAV recording", "", _FETCH_AGAIN)
        layout: tuple[int, int, int] | None = None  # channels, rate, bytes a frame
        while len(chunk := stream.read(8)) == 8:
            name, promised = struct.unpack("<4sI", chunk)
            start = stream.tell()
            if name == b"fmt ":
                _, channels, rate, _, frame_bytes = struct.unpack("<HHIIH", stream.read(14).ljust(14, b"\0"))
                layout = (channels, rate, frame_bytes)
            elif name == b"data":
                if layout is None or 0 in layout:
                    raise InputError("damaged WAV: no usable format chunk before the samples", "", _FETCH_AGAIN)
                if promised == 0:
                    what = f"its header promises no samples, {size - start} bytes follow: it was never closed, or is empty"
                    raise InputError(what, "", "write its header anew, or record it again")
                present = min(promised, size - start)
                channels, rate, frame_bytes = layout
                if present < promised:
                    what = f"truncated WAV: the header promises {promised // frame_bytes} samples ({promised} bytes), "
                    what += f"{present // frame_bytes} samples ({present} bytes) are present"
                    raise InputError(what, "", _FETCH_AGAIN)
                seconds = present / (rate * frame_bytes)
                fields = _media_fields(stream, origin, sample_rate_hertz=rate, channels=channels, duration_seconds=seconds)
                yield RawRecord(fields, 0, origin=origin)
                return
            stream.seek(start + promised + promised % 2)
        raise InputError("truncated WAV: it has no samples", "", _FETCH_AGAIN)


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadVideo:
    """Read an MP4 or MOV video's duration, and see that its boxes are whole.

    Input:  ISO base media (mp4, m4v, mov).
    Output: `path`, `sha256`, `size_bytes`, `duration_seconds`.
    Source: ISO/IEC 14496-12:2022 §4.2, §8.2.2.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.VIDEO
    endings: ClassVar[tuple[str, ...]] = (".mp4", ".m4v", ".mov", ".m4a", ".3gp")
    magic: ClassVar[tuple[bytes, ...]] = tuple(struct.pack(">I", size) + b"ftyp" for size in range(16, 65, 4))
    seeks: ClassVar[bool] = True

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        del limits
        size = stream.seek(0, io.SEEK_END)
        seconds, has_media = None, False
        for name, start, end in _boxes(stream, 0, size):
            if end > size:
                what = f"incomplete video: its {name} box ends at byte {end}, the file at {size}"
                raise InputError(what, "", _FETCH_AGAIN)
            if name == "moov":
                seconds = _duration(stream, start, end)
            has_media = has_media or name in ("mdat", "moof")
        if seconds is None:
            raise InputError("incomplete video: no index (moov box)", "", _FETCH_AGAIN)
        if not has_media:
            raise InputError("incomplete video: no pictures (mdat box)", "", _FETCH_AGAIN)
        yield RawRecord(_media_fields(stream, origin, duration_seconds=seconds), 0, origin=origin)


def _boxes(stream: BinaryIO, at: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Walk boxes: name, where the content starts, where it ends by its own word."""
    while at + 8 <= end:
        stream.seek(at)
        size, name = struct.unpack(">I4s", stream.read(8))
        start = at + 8
        if size == 1:
            size = struct.unpack(">Q", stream.read(8).ljust(8, b"\0"))[0]
            start = at + 16
        elif size == 0:
            size = end - at
        if size < start - at:
            raise InputError(f"incomplete video: a box of {size} bytes at byte {at}", "", _FETCH_AGAIN)
        yield name.decode("latin-1"), start, at + size
        at += size
    if at < end:
        raise InputError(f"incomplete video: a box is cut off at byte {at}", "", _FETCH_AGAIN)


def _duration(stream: BinaryIO, start: int, end: int) -> float | None:
    for name, inner, _ in _boxes(stream, start, end):
        if name != "mvhd":
            continue
        stream.seek(inner)
        head = stream.read(32).ljust(32, b"\0")
        scale, length = struct.unpack(">IQ", head[20:32]) if head[0] == 1 else struct.unpack(">II", head[12:20])
        return length / scale if scale else 0.0
    return None


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadRosbag:
    """See that a ROS 1 bag is whole: its index is where the header says.

    Input:  ROS bag, format 2.0.
    Output: `path`, `sha256`, `size_bytes`, `connections`, `chunks`. A missing index is a fault.
    Source: ROS wiki, Bags/Format/2.0.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.SERIES
    endings: ClassVar[tuple[str, ...]] = (".bag",)
    magic: ClassVar[tuple[bytes, ...]] = (b"#ROSBAG",)
    seeks: ClassVar[bool] = True

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        del limits
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if stream.readline(64) != b"#ROSBAG V2.0\n":
            raise InputError("not a ROS bag of format 2.0", "", "convert it with `rosbag fix` or `rosbag reindex`")
        fields = _bag_header(stream)
        index = struct.unpack("<Q", fields.get("index_pos", b"").ljust(8, b"\0")[:8])[0]
        if index == 0 or index >= size:
            said = "was never written" if index == 0 else f"should be at byte {index}, the file ends at {size}"
            raise InputError(f"index missing: it {said}", "", "fetch the bag again, or run `rosbag reindex`")
        counts = {
            name: struct.unpack("<I", fields.get(key, b"").ljust(4, b"\0")[:4])[0]
            for name, key in (("connections", "conn_count"), ("chunks", "chunk_count"))
        }
        yield RawRecord(_media_fields(stream, origin, **counts), 0, origin=origin)


def _bag_header(stream: BinaryIO) -> dict[str, bytes]:
    head = stream.read(4096)
    (length,) = struct.unpack("<I", head[:4].ljust(4, b"\0"))
    at, end, fields = 4, min(4 + length, len(head)), {}
    while at + 4 <= end:
        (size,) = struct.unpack("<I", head[at : at + 4])
        name, _, value = head[at + 4 : at + 4 + size].partition(b"=")
        fields[name.decode("latin-1")] = value
        at += 4 + size
    return fields


# --- COCO


def is_coco(value: Any) -> bool:
    """Tell a COCO annotation file by its two lists."""
    return isinstance(value, dict) and isinstance(value.get("images"), list) and isinstance(value.get("annotations"), list)


def coco_records(value: dict[str, Any], origin: str) -> Iterator[Raw]:
    """Give each annotation with its image and the name of its category; one without an image is a fault."""
    images = {image["id"]: image for image in value["images"] if isinstance(image, dict) and isinstance(image.get("id"), int | str)}
    categories = value.get("categories") or []
    classes = {
        entry["id"]: entry.get("name") for entry in categories if isinstance(entry, dict) and isinstance(entry.get("id"), int | str)
    }
    for record, entry in enumerate(value["annotations"]):
        content = orjson.dumps(entry)
        image = (
            images.get(entry.get("image_id")) if isinstance(entry, dict) and isinstance(entry.get("image_id"), int | str) else None
        )
        if image is None:
            name, wanted = (entry.get("id"), entry.get("image_id")) if isinstance(entry, dict) else (record, None)
            what = f"annotation {name} points to no image: image_id {wanted} is not in `images`"
            yield Fault(origin, what, "add the image, or take the annotation out", -1, record, content[: 64 << 10])
            continue
        fields = {"path": image.get("file_name"), "width": image.get("width"), "height": image.get("height")}
        fields |= {"category": classes.get(entry.get("category_id")), "annotation": entry}
        yield RawRecord(fields, record, origin=origin)


@dataclass(frozen=True, slots=True, config=STRICT)
class ReadCoco:
    """Read COCO object annotations, each with its image; `read_json` recognises such files by itself.

    Input:  a COCO annotation file.
    Output: `path`, `width`, `height`, `category`, `annotation`. An annotation of a missing image is a fault, the others are kept.
    Source: COCO data format, cocodataset.org/#format-data.
    """

    kind: ClassVar[OperatorKind] = OperatorKind.READ
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT
    endings: ClassVar[tuple[str, ...]] = ()
    magic: ClassVar[tuple[bytes, ...]] = ()
    seeks: ClassVar[bool] = False

    def __call__(self, stream: BinaryIO, origin: str, limits: ReadLimits, /) -> Iterator[Raw]:
        try:
            value = orjson.loads(read_whole(stream, limits))
        except orjson.JSONDecodeError as error:
            raise InputError(f"not JSON: {error}", "", "mend the file") from error
        if not is_coco(value):
            raise InputError("not a COCO file: no lists `images` and `annotations`", "", "name another `format:`")
        yield from coco_records(value, origin)
