"""How the tables of the metadata database came to be; run by code, inside the wheel.

To change the tables: change `models`, then draft a migration, read it, and name its revision in `NEWEST`::

    from alembic import command
    from sqlalchemy import create_engine
    from liangji.stores.metadata.migrations.upgrade import bring_up_to_date, configuration

    with create_engine("sqlite://").begin() as connection:
        bring_up_to_date(connection)
        command.revision(configuration(connection), "what changes", autogenerate=True)

Each migration runs on SQLite and PostgreSQL: use `batch_alter_table` for every change of a table that exists.
"""

from __future__ import annotations

NEWEST = "0002"  # the revision this code works with; a test compares it with the files
