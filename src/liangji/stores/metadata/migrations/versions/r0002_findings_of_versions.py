"""Versions keep what exchanges measured of themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("version") as table:
        table.add_column(sa.Column("findings", sa.JSON(), nullable=True))
    op.execute("UPDATE version SET findings = '{}'")
    with op.batch_alter_table("version") as table:
        table.alter_column("findings", existing_type=sa.JSON(), nullable=False)
