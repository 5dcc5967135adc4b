"""Files, folders, patterns and object stores: what is found, in which order, and what is said where nothing is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib import request

import pytest
from obstore.store import LocalStore, MemoryStore, S3Store

from liangji.core.errors import InputError
from liangji.pipeline.collection.connectors import LocalFiles, ObjectStore, connector_for, fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jsonl", "a.jsonl", "sub/c.jsonl", "sub/deep/d.txt", ".hidden/x.jsonl", "sub/.y.jsonl"):
        file = tmp_path / "raw" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "origins"),
    [
        ("raw", ["raw/a.jsonl", "raw/b.jsonl", "raw/sub/c.jsonl", "raw/sub/deep/d.txt"]),
        ("raw/a.jsonl", ["raw/a.jsonl"]),
        ("raw/sub/.y.jsonl", ["raw/sub/.y.jsonl"]),
        ("raw/*.jsonl", ["raw/a.jsonl", "raw/b.jsonl"]),
        ("raw/**/*.jsonl", ["raw/a.jsonl", "raw/b.jsonl", "raw/sub/c.jsonl"]),
        ("*/sub/**", ["raw/sub/c.jsonl", "raw/sub/deep/d.txt"]),
        ("raw/sub/d*", ["raw/sub/deep/d.txt"]),
    ],
)
def test_local_files_are_found_in_order(folder: Path, path: str, origins: list[str]) -> None:
    assert [found.origin for found in LocalFiles().find(path, folder)] == origins


@pytest.mark.parametrize(
    ("path", "origins"),
    [
        ("../raw/a.jsonl", ["a.jsonl"]),
        ("../raw/sub", ["sub/c.jsonl", "sub/deep/d.txt"]),
        ("../raw/*.jsonl", ["raw/a.jsonl", "raw/b.jsonl"]),
    ],
)
def test_what_lies_outside_the_recipes_folder_is_named_from_its_own(folder: Path, path: str, origins: list[str]) -> None:
    elsewhere = folder / "recipes"
    elsewhere.mkdir()
    assert [found.origin for found in LocalFiles().find(path, elsewhere)] == origins
    absolute = str(folder / path.removeprefix("../"))
    assert [found.origin for found in LocalFiles().find(absolute, elsewhere)] == origins


@pytest.mark.parametrize("path", ["nothing", "raw/*.csv", "raw/nothing/*"])
def test_nothing_found_is_an_error_with_its_mend(folder: Path, path: str) -> None:
    with pytest.raises(InputError, match="no file matches") as caught:
        LocalFiles().find(path, folder)
    assert "relative to the recipe" in caught.value.mend


def test_a_fingerprint_is_of_the_bytes(folder: Path) -> None:
    (found,) = LocalFiles().find("raw/a.jsonl", folder)
    with LocalFiles().open(found.location) as stream:
        assert fingerprint(stream) == (hashlib.sha256(b"a.jsonl").hexdigest(), found.size_bytes)
    assert found.modified_time.endswith("+00:00")


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("memory:///raw", ["raw/a.jsonl", "raw/sub/b.jsonl"]),
        ("memory:///raw/a.jsonl", ["raw/a.jsonl"]),
        ("memory:///raw/*.jsonl", ["raw/a.jsonl"]),
        ("memory:///raw/**/*.jsonl", ["raw/a.jsonl", "raw/sub/b.jsonl"]),
        ("memory:///*/sub/*", ["raw/sub/b.jsonl"]),
        ("memory:///", ["raw/a.jsonl", "raw/sub/b.jsonl", "rawer/c.jsonl"]),
    ],
)
def test_objects_are_found_in_order(path: str, keys: list[str]) -> None:
    store = MemoryStore()
    for key in ("raw/a.jsonl", "raw/sub/b.jsonl", "rawer/c.jsonl", "raw/.hidden"):
        store.put(key, key.encode())
    connector = ObjectStore(store)
    found = connector.find(path, Path())
    assert [item.origin for item in found] == [f"memory:///{key}" for key in keys]
    with connector.open(found[0].location) as stream:
        assert stream.read(4) + stream.read() == keys[0].encode()
        assert stream.seek(1) == 1
        assert stream.read(2) == keys[0].encode()[1:3]


def test_objects_of_an_s3_endpoint_are_found_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 a second of import that most tests do without

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        variables = {"ENDPOINT_URL": f"http://{host}:{port}", "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "REGION": "us-east-1"}
        for name, value in (variables | {"ALLOW_HTTP": "true"}).items():
            monkeypatch.setenv(f"AWS_{name}", value)
        create = request.Request(f"http://{host}:{port}/bucket", method="PUT")
        request.urlopen(create).close()  # noqa: S310
        S3Store("bucket").put("raw/一 份.jsonl", b'{"text": "a"}')
        (found,) = ObjectStore().find("s3://bucket/raw/**", Path())
        assert found.origin == "s3://bucket/raw/一 份.jsonl"
        with ObjectStore().open(found.location) as stream:
            assert stream.read() == b'{"text": "a"}'
        with pytest.raises(InputError, match="cannot list"):
            ObjectStore().find("s3://missing/raw", Path())
    finally:
        server.stop()


def test_a_folder_may_be_addressed_as_an_object_store(folder: Path) -> None:
    assert isinstance(connector_for("s3://bucket/a"), ObjectStore)
    assert isinstance(connector_for("raw/a"), LocalFiles)
    connector = ObjectStore(LocalStore(str(folder)))
    assert [item.size_bytes for item in connector.find("file:///raw/*.jsonl", Path())] == [7, 7]
    with pytest.raises(InputError, match="no file matches"):
        connector.find("file:///raw/*.csv", Path())
