"""What Alembic runs for each command: it uses the connection that our code hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy.types import TypeDecorator

from liangji.stores.metadata.models import Model


def migrate() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=Model.metadata,
        render_as_batch=True,  # SQLite alters a table by copying it
        render_item=_as_stored,
    )
    with context.begin_transaction():
        context.run_migrations()


def _as_stored(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write our own column types into a migration as what the database stores, which outlives our classes."""
    return f"sa.{item.impl_instance!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


if __name__ == "env_py":  # the name under which Alembic loads this file; a plain import (doctest) does nothing
    migrate()
