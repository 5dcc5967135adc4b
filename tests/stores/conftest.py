"""Real places for the stores: a folder and an S3 endpoint, SQLite and PostgreSQL. One suite runs over all of them."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from tests.conftest import BUCKET

Place = tuple[str, dict[str, str] | None]  # a folder or an address, and the options for it


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
