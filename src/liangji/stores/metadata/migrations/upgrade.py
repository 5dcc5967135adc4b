"""Run the migrations. Apart from the package, because most openings of a database do without Alembic."""

from __future__ import annotations

import io
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from liangji.core.errors import StoreError


def configuration(connection: Connection) -> Config:
    """Point Alembic at our migrations and at one open connection, without a file and without output."""
    config = Config(stdout=io.StringIO(), attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    return config


def bring_up_to_date(connection: Connection) -> None:
    """Run the migrations that the database lacks, in the transaction of the connection.

    Raises: StoreError where a newer release has been there already.
    """
    try:
        command.upgrade(configuration(connection), "head")
    except CommandError as error:
        raise StoreError(
            f"the metadata database is not of this release: {error}",
            connection.engine.url.render_as_string(hide_password=True),
            "use the newest liangji that ever opened it, or a newer one",
        ) from error
