"""Objects by key, on a folder and on S3."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from liangji.core.errors import StoreError, UsageError
from liangji.stores.objects import Objects, SelfTest

Place = tuple[str, dict[str, str] | None]  # as the fixture `place` gives it

LARGE = bytes(range(256)) * (50 << 10)  # 12.5 MiB: sent in parts


@pytest.fixture
def objects(place: Place) -> Objects:
    return Objects.open(*place)


@pytest.mark.parametrize("key", ["a.json", "报告/2026 年/质量.json", "a/b%20c", "a/.hidden"])
def test_an_object_comes_back_whole_and_in_part(objects: Objects, key: str) -> None:
    assert not objects.exists(key)
    objects.put(key, b"0123456789")
    assert objects.exists(key)
    assert objects.get(key) == b"0123456789"
    assert objects.get_range(key, 3, 4) == b"3456"
    assert objects.get_range(key, 8, 100) == b"89"
    objects.put(key, b"")
    assert objects.get(key) == b""
    objects.delete(key, "never-there")
    assert not objects.exists(key)


def test_bytes_files_paths_and_streams_are_stored_alike(objects: Objects, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(LARGE)
    parts = (LARGE[start : start + 100_000] for start in range(0, len(LARGE), 100_000))
    with file.open("rb") as opened:
        forms: dict[str, Any] = {"bytes": LARGE, "memory": io.BytesIO(LARGE), "file": opened, "path": file, "parts": parts}
        for name, data in forms.items():
            objects.put(name, data)
            assert objects.get(name) == LARGE, name


def test_an_object_is_read_as_a_stream_that_can_seek(objects: Objects) -> None:
    objects.put("large", LARGE)
    with objects.stream("large") as stream:
        assert stream.read(3) == LARGE[:3]
        stream.seek(-5, io.SEEK_END)
        assert stream.read() == LARGE[-5:]
        stream.seek(1000)
        assert stream.tell() == 1000
        assert b"".join(iter(lambda: stream.read(1 << 20), b"")) == LARGE[1000:]


def test_a_listing_goes_by_folder(objects: Objects) -> None:
    for key in ("a/1", "a/b/2", "ab/3", "4"):
        objects.put(key, b"x" * len(key))
    assert sorted((found.key, found.size_bytes) for found in objects.list("a/")) == [("a/1", 3), ("a/b/2", 5)]
    assert sorted(found.key for found in objects.list()) == ["4", "a/1", "a/b/2", "ab/3"]
    assert list(objects.list("nothing/")) == []
    assert next(objects.list("ab/")).modified_time.utcoffset() is not None


@pytest.mark.parametrize("data", [b"second", LARGE], ids=["small", "large"])
def test_a_create_only_put_keeps_what_is_there(objects: Objects, data: bytes) -> None:
    objects.put("key", b"first", create_only=True)
    with pytest.raises(UsageError, match="object 'key' exists already"):
        objects.put("key", data, create_only=True)
    assert objects.get("key") == b"first"


def test_of_several_create_only_puts_at_once_one_wins(objects: Objects) -> None:
    def put(number: int) -> int | None:
        try:
            objects.put("key", str(number).encode(), create_only=True)
        except UsageError:
            return None
        return number

    with ThreadPoolExecutor(8) as threads:
        winners = [number for number in threads.map(put, range(16)) if number is not None]
    assert objects.get("key") == b"".join(str(number).encode() for number in winners)
    assert len(winners) == 1


def test_the_self_test_sees_that_create_only_holds_and_leaves_nothing(objects: Objects) -> None:
    assert objects.self_test() == SelfTest(is_writable=True, honours_create_only=True)
    assert list(objects.list()) == []


def test_the_self_test_of_a_bucket_that_is_not_there_says_so(s3_options: dict[str, str]) -> None:
    report = Objects.open("s3://no-such-bucket/x", s3_options).self_test()
    assert not report.is_writable
    assert "s3://no-such-bucket/x/self-test-" in report.detail


def test_errors_name_the_object(objects: Objects) -> None:
    with pytest.raises(StoreError, match="there is no object 'missing/key'"):
        objects.get("missing/key")
    with pytest.raises(StoreError, match="there is no object 'missing'"):
        objects.stream("missing")
    for escape in ("../outside", "a/../../outside", "a//b"):
        with pytest.raises(StoreError) as caught:
            objects.put(escape, b"")
        assert "\n\n" not in str(caught.value)


def test_an_address_nobody_serves_is_a_store_error() -> None:
    with pytest.raises(StoreError):
        Objects.open("gopher://somewhere/x")
    with pytest.raises(StoreError):
        Objects.open("s3://bucket", {"no_such_option": "1"})


def test_folders_are_named_and_deleted_with_all_that_lies_in_them(objects: Objects) -> None:
    for key in ("units/a/rows", "units/a/deep/er", "units/b/rows", "units.txt", "other/c"):
        objects.put(key, b"x")
    assert objects.folders() == {"units", "other"}
    assert objects.folders("units/") == {"a", "b"}
    assert objects.folders("never/") == set()
    objects.delete_folder("units/a/")
    objects.delete_folder("never/")
    assert objects.folders("units/") == {"b"}
    assert objects.exists("units/b/rows")
    assert not objects.exists("units/a/deep/er")


def test_arrow_reads_an_object_anywhere(objects: Objects) -> None:
    objects.put("large", LARGE)
    with objects.random_access("large") as file:
        assert file.size() == len(LARGE)
        file.seek(1000)
        assert file.read(3) == LARGE[1000:1003]
    with pytest.raises(StoreError, match="no object 'never'"):
        objects.random_access("never")


@pytest.mark.parametrize("key", ["a/b", "报告/2026 年/质量", "a/b%20c"])
def test_what_arrow_writes_is_an_object_like_any_other(objects: Objects, key: str) -> None:
    with objects.output(key) as sink:
        sink.write(b"0123")
        sink.write(b"4567")
    assert objects.get(key) == b"01234567"
    assert {found.key for found in objects.list()} == {key}
    assert objects.random_access(key).read_at(3, 2) == b"234"
