"""Whole objects by key, on a local folder or on S3 and what speaks its language; Azure and Google by address, untested."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, BinaryIO
from uuid import uuid4

import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from liangji.core.errors import StoreError, UsageError

_CLIENT_OPTIONS = frozenset({"allow_http", "allow_invalid_certificates", "connect_timeout", "proxy_url", "timeout", "user_agent"})
_STREAM_BUFFER_BYTES = 4 << 20


def is_url(place: str) -> bool:
    """Tell the address of an object store from a local path."""
    return "://" in place and not place.startswith("file://")


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    size_bytes: int
    modified_time: datetime  # UTC


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What the store was seen to do. Without create-only puts only one process may write to it."""

    is_writable: bool
    honours_create_only: bool
    detail: str = ""


class Objects:
    """Whole objects by key: 'reports/2026/quality.json'. May be used from several threads."""

    def __init__(self, store: ObjectStore, place: str) -> None:
        self._store, self.place = store, place
        self._folder = Path(store.prefix) if isinstance(store, LocalStore) and store.prefix is not None else None

    @classmethod
    def open(cls, url: str, options: Mapping[str, str] | None = None) -> Objects:
        """Open a local folder, which is created, or an address such as 's3://bucket/prefix'.

        `options` are those of the store (aws_access_key_id, aws_endpoint, …) and of its connection (allow_http, timeout).
        """
        with _told(url):
            if not is_url(url):
                return cls(LocalStore(prefix=Path(url.removeprefix("file://")).absolute(), mkdir=True), url)
            given = dict(options or {})
            client: Any = {name: given.pop(name) for name in _CLIENT_OPTIONS & given.keys()}
            if "allow_http" in client:
                client["allow_http"] = str(client["allow_http"]).lower() in {"true", "1", "yes"}
            config: Any = given or None
            return cls(from_url(url, config=config, client_options=client or None), url)

    def put(self, key: str, data: bytes | IO[bytes] | Path | Iterable[bytes], *, create_only: bool = False) -> None:
        """Store an object whole or not at all; a large one is sent in parts.

        Raises: UsageError where `create_only` is set and the object exists already.
        """
        with _told(self.place, key):
            try:
                obstore.put(self._store, key, data, mode="create" if create_only else "overwrite")
            except AlreadyExistsError:
                raise UsageError(f"object '{key}' exists already", self.place, "choose another key, or delete it first") from None

    def get(self, key: str) -> bytes:
        with _told(self.place, key):
            return bytes(obstore.get(self._store, key).bytes())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read `length` bytes from byte `start` on; fewer where the object ends before."""
        with _told(self.place, key):
            return bytes(obstore.get_range(self._store, key, start=start, length=length))

    def stream(self, key: str) -> BinaryIO:
        """Open an object for reading; it can seek, and holds a few MiB at a time."""
        with _told(self.place, key):
            reader = obstore.open_reader(self._store, key, buffer_size=_STREAM_BUFFER_BYTES)
        return io.BufferedReader(_Reader(reader, self.place, key))

    def random_access(self, key: str) -> pa.NativeFile:
        """Open an object for Arrow: where it lies on disk, in place, else in memory, since each seek would be a request."""
        if self._folder is None:
            return pa.BufferReader(self.get(key))
        with _told(self.place, key):
            return pa.OSFile(str(self._folder / key), "rb")

    @contextmanager
    def output(self, key: str) -> Iterator[pa.NativeFile]:
        """Let Arrow write an object. On disk it grows in place, so until it is closed a reader may see a part of it."""
        if self._folder is None:
            sink = pa.BufferOutputStream()
            yield sink
            self.put(key, pa.BufferReader(sink.getvalue()))
            return
        path = self._folder / key
        with _told(self.place, key):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = pa.OSFile(str(path), "wb")
        with file:
            yield file

    def folders(self, prefix: str = "") -> set[str]:
        """Name the folders right under a folder ('reports/')."""
        with _told(self.place, prefix):
            found = obstore.list_with_delimiter(self._store, prefix or None)["common_prefixes"]
        return {name.rstrip("/").rpartition("/")[2] for name in found}

    def delete_folder(self, prefix: str) -> None:
        """Delete what lies under a folder ('reports/'); one that does not exist is no error."""
        if self._folder is not None:
            shutil.rmtree(self._folder / prefix, ignore_errors=True)
            return
        with _told(self.place, prefix):
            for chunk in obstore.list(self._store, prefix, chunk_size=1000):
                obstore.delete(self._store, [found["path"] for found in chunk])

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield what lies under a folder ('reports/'), at any depth, in no promised order."""
        with _told(self.place, prefix):
            for chunk in obstore.list(self._store, prefix or None, chunk_size=1000):
                for found in chunk:
                    yield StoredObject(found["path"], found["size"], found["last_modified"])

    def delete(self, *keys: str) -> None:
        """Delete objects; one that does not exist is no error."""
        with _told(self.place, keys[0] if keys else ""):
            for key in keys:
                with suppress(FileNotFoundError):
                    obstore.delete(self._store, key)

    def exists(self, key: str) -> bool:
        with _told(self.place, key):
            try:
                obstore.head(self._store, key)
            except FileNotFoundError:
                return False
            return True

    def self_test(self) -> SelfTest:
        """Put the same key twice, create-only: what the safety of concurrent commits hangs on. Leaves nothing behind."""
        key = f"self-test-{uuid4().hex}"
        try:
            self.put(key, b"first", create_only=True)
        except (StoreError, UsageError) as error:
            return SelfTest(is_writable=False, honours_create_only=False, detail=str(error))
        try:
            self.put(key, b"second", create_only=True)
        except UsageError:
            kept = self.get(key) == b"first"
            return SelfTest(True, kept, "" if kept else "the second put was refused and yet replaced the object")
        except StoreError as error:
            return SelfTest(True, False, str(error))
        else:
            return SelfTest(True, False, "the second create-only put of a key was accepted: allow one writing process only")
        finally:
            self.delete(key)


class _Reader(io.RawIOBase):
    """Obstore's reader as a raw stream, so that the standard buffered reader can stand on it."""

    def __init__(self, reader: obstore.ReadableFile, place: str, key: str) -> None:
        self._reader, self._place, self._key = reader, place, key

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def readinto(self, buffer: Any, /) -> int:
        with _told(self._place, self._key):
            data = self._reader.read(len(buffer))
        buffer[: len(data)] = memoryview(data)
        return len(data)


@contextmanager
def _told(place: str, key: str = "") -> Iterator[None]:
    """Tell errors of obstore as ours."""
    where = f"{place.rstrip('/')}/{key}" if key else place
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"there is no object '{key}'", where, "list what there is") from error
    except (BaseError, OSError, ValueError) as error:
        words = str(error).partition("\n")[0]  # what follows is Rust's view of it
        raise StoreError(words, where, "check address, credentials and free space") from error
