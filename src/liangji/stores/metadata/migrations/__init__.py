"""How the tables of the metadata database came to be; run by code, inside the wheel.

To change the tables: change `models`, then draft a migration, read it, and name its revision in `NEWEST`::

    from alembic import command
    from sqlalchemy import create_engine
    from liangji.stores.metadata.migrations import bring_up_to_date, configuration

    with create_engine("sqlite://").begin() as connection:
        bring_up_to_date(connection)
        command.revision(configuration(connection), "what changes", autogenerate=True)

Each migration runs on SQLite and PostgreSQL: use `batch_alter_table` for every change of a table that exists.
"""

from __future__ import annotations

import io
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

NEWEST = "0001"  # the revision this code works with; a test compares it with the files


def configuration(connection: Connection) -> Config:
    """Point Alembic at our migrations and at one open connection, without a file and without output."""
    config = Config(stdout=io.StringIO(), attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    return config


def bring_up_to_date(connection: Connection) -> None:
    """Run the migrations that the database lacks, in the transaction of the connection."""
    command.upgrade(configuration(connection), "head")
