"""The tables of the metadata database. A change here needs a migration beside it; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, DateTime, Dialect, ForeignKey, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class PlainText(TypeDecorator[str]):
    """Text that both databases take: a file name that is no UTF-8, or holds a zero, is kept in escaped form."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


class UtcTime(TypeDecorator[datetime]):
    """A moment, in UTC with its zone, also where the database (SQLite) forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


# JSON and not JSONB: it keeps the order of the keys, and takes every string.
Document = Annotated[dict[str, Any], mapped_column(JSON)]
Documents = Annotated[list[dict[str, Any]], mapped_column(JSON)]
Words = Annotated[list[str], mapped_column(JSON)]


class Model(DeclarativeBase):
    metadata = MetaData(
        naming_convention={  # so that a migration can name what it drops, on both databases
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: PlainText, datetime: UtcTime}  # noqa: RUF012 SQLAlchemy reads it from the class


class Dataset(Model):
    __tablename__ = "dataset"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    modality: Mapped[str]
    created_time: Mapped[datetime]


class Version(Model):
    __tablename__ = "version"
    __table_args__ = (
        UniqueConstraint("dataset", "number"),
        UniqueConstraint("dataset", "ordinal"),
        CheckConstraint("author <> '' AND message <> ''", "signed"),
    )

    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    ordinal: Mapped[int]  # order of the versions of one dataset; ascending, with gaps where an earlier one became the newest
    number: Mapped[str]
    author: Mapped[str]
    message: Mapped[str]
    created_time: Mapped[datetime]
    parents: Mapped[Words]
    kind: Mapped[str]
    modality: Mapped[str]
    recipe: Mapped[str]
    recipe_hash: Mapped[str]
    operators: Mapped[Document]
    inputs: Mapped[Documents]
    ledger: Mapped[Document]
    findings: Mapped[Document]
    tables: Mapped[Document]
    rows: Mapped[int] = mapped_column(BigInteger)
    columns: Mapped[Words]
    signals: Mapped[Words]
    notes: Mapped[Documents]
    run_id: Mapped[str]
    seconds: Mapped[float]
    environment: Mapped[Document]


class Run(Model):
    __tablename__ = "run"

    id: Mapped[str] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), index=True)
    recipe_hash: Mapped[str]
    state: Mapped[str]
    plan: Mapped[Document]
    facts: Mapped[Document]
    started_time: Mapped[datetime]
    finished_time: Mapped[datetime | None]


class Unit(Model):
    """A finished unit of work: one shard of one segment. What is not here is done again after a crash."""

    __tablename__ = "unit"

    key: Mapped[str] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), index=True)
    segment: Mapped[int]
    origin: Mapped[str]
    shard: Mapped[int]
    result: Mapped[Document]
    done_time: Mapped[datetime]


class FileHash(Model):
    """The hash of an input file as it was when last read; good as long as size and time of change are the same."""

    __tablename__ = "file_hash"

    location: Mapped[str] = mapped_column(primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    modified_ns: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
