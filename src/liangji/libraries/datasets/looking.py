"""Look at datasets: what there is, how it came to be, its rows, and how two versions differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from liangji.core.digest import row_digests
from liangji.core.errors import UsageError
from liangji.core.schema import ID, Kind, Modality, record_schema
from liangji.stores.facts import DatasetFacts, VersionFacts
from liangji.stores.workspace import Workspace

Which = Literal["kept", "dropped", "quarantined"]

_TABLES: dict[Which, str] = {"kept": "rows", "dropped": "dropped", "quarantined": "quarantined"}


def list_datasets(workspace: Workspace) -> list[tuple[DatasetFacts, VersionFacts | None]]:
    """List datasets, each with its newest version."""
    found = []
    for facts in workspace.metadata.datasets():
        versions = workspace.metadata.versions(facts.name)
        found.append((facts, versions[-1] if versions else None))
    return found


def show(workspace: Workspace, dataset: str, reference: str | None = None) -> VersionFacts:
    """Give the facts of one version: by id, by a start of it, by number; the newest by default."""
    return workspace.metadata.version(dataset, reference)


def log(workspace: Workspace, dataset: str) -> list[VersionFacts]:
    """List the versions of a dataset, newest first."""
    workspace.metadata.dataset(dataset)
    return list(reversed(workspace.metadata.versions(dataset)))


def rows(
    workspace: Workspace,
    dataset: str,
    reference: str | None = None,
    *,
    which: Which = "kept",
    reason: str | None = None,
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Give the rows of a version: kept, dropped (with reason and deciding number) or quarantined (with the error).

    `reason` narrows to one drop reason, or one error code.
    """
    version = workspace.metadata.version(dataset, reference)
    where = None
    if reason is not None:
        if which == "kept":
            raise UsageError("kept rows have no reason", "", "add --which dropped or --which quarantined")
        column = "drop_reason" if which == "dropped" else "error_code"
        where = f"{column} = '{reason.replace(chr(39), chr(39) * 2)}'"
    table = _TABLES[which]
    for batch in workspace.tables.scan(f"{dataset}/{table}", version.tables[table], where=where, limit=limit):
        yield from batch.to_pylist()


@dataclass(frozen=True, slots=True)
class Difference:
    """How version `after` differs from `before`; records are the same where their id is, changed where their content is not."""

    before: VersionFacts
    after: VersionFacts
    added: int
    removed: int
    changed: int
    unchanged: int
    examples: dict[str, list[str]]  # added, removed, changed: ids of the first few
    dropped: dict[str, tuple[int, int]]  # reason → rows in before, in after
    recipe_changed: bool


def diff(workspace: Workspace, dataset: str, before: str, after: str | None = None, examples: int = 5) -> Difference:
    """Compare two versions of a dataset."""
    old, new = (workspace.metadata.version(dataset, reference) for reference in (before, after))
    left, right = (_contents(workspace, version) for version in (old, new))
    groups = {
        "added": [identifier for identifier in right if identifier not in left],
        "removed": [identifier for identifier in left if identifier not in right],
        "changed": [identifier for identifier, digest in right.items() if left.get(identifier, digest) != digest],
    }
    reasons = sorted({*old.ledger["dropped"], *new.ledger["dropped"]})
    return Difference(
        old,
        new,
        len(groups["added"]),
        len(groups["removed"]),
        len(groups["changed"]),
        len(right) - len(groups["added"]) - len(groups["changed"]),
        {name: identifiers[:examples] for name, identifiers in groups.items()},
        {reason: (old.ledger["dropped"].get(reason, 0), new.ledger["dropped"].get(reason, 0)) for reason in reasons},
        old.recipe_hash != new.recipe_hash,
    )


def _contents(workspace: Workspace, version: VersionFacts) -> dict[str, bytes]:
    """Map each record's id to the digest of its content."""
    schema = record_schema(Kind(version.kind), Modality(version.modality))
    contents: dict[str, bytes] = {}
    for batch in workspace.tables.scan(f"{version.dataset}/rows", version.tables["rows"], columns=schema.names):
        digests = row_digests(batch, schema)
        for position, identifier in enumerate(batch.column(ID).to_pylist()):
            contents[identifier] = digests[32 * position : 32 * position + 32]
    return contents
