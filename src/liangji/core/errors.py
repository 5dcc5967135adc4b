"""Errors raised on purpose, each with what is wrong, where, and how to mend it.

LiangjiError
├── UsageError            the caller asked for something that cannot be done as asked (exit status 2)
│   ├── DocumentError     one or more faults in a file that a person wrote, reported together
│   │   ├── RecipeError       in a recipe
│   │   └── RequirementsError in the requirements of a dataset
│   └── UnknownName       a name that is not registered or stored; suggests the nearest
├── InputError            an input file that cannot be read as it is
│   └── LimitExceeded     an input that would cost more memory, disk or time than its limits allow
├── SchemaError           a batch lacks a column, or has it with another type
├── StoreError            a table, object or database could not be read or written
│   └── TransientError    the same call may succeed when tried again
├── RunError              a run stopped before its version was committed
│   ├── LedgerError       rows in ≠ rows out + dropped + quarantined: never committed
│   └── FaultShareExceeded  more rows failed than the recipe allows
├── ClusterError          a cluster that cannot be reached, is not fit for the work, or has lost it
└── PackageError          a released package that is not what its manifest says
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class LiangjiError(Exception):
    """Base of every error raised on purpose. All fields are plain strings, so that errors cross processes."""

    code: ClassVar[str] = "error"  # stable: the API and the translations key on it

    def __init__(self, what: str, where: str = "", mend: str = "") -> None:
        super().__init__(what, where, mend)
        self.what, self.where, self.mend = what, where, mend

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.mend:
            lines.append(f"  mend:  {self.mend}")
        return "\n".join(lines)


class UsageError(LiangjiError):
    code: ClassVar[str] = "usage_error"


@dataclass(frozen=True, slots=True)
class DocumentFault:
    """One fault of a document; `line` is 1-based, 0 where the field is missing altogether."""

    line: int
    field: str
    what: str
    mend: str = ""


class DocumentError(UsageError):
    """Every fault of one document, in order of their lines."""

    code: ClassVar[str] = "document_error"
    document: ClassVar[str] = "document"

    def __init__(self, file: str, faults: tuple[DocumentFault, ...]) -> None:
        super().__init__(f"{len(faults)} fault(s) in the {self.document}", file)
        self.args = (file, faults)
        self.file, self.faults = file, faults

    def __str__(self) -> str:
        lines = []
        for fault in self.faults:
            place = f"{self.file}:{fault.line}" if fault.line else self.file
            lines.append(f"{place} {fault.field}: {fault.what}" if fault.field else f"{place}: {fault.what}")
            if fault.mend:
                lines.append(f"  mend:  {fault.mend}")
        return "\n".join(lines)


class RecipeError(DocumentError):
    code: ClassVar[str] = "recipe_error"
    document: ClassVar[str] = "recipe"


class RequirementsError(DocumentError):
    code: ClassVar[str] = "requirements_error"
    document: ClassVar[str] = "requirements"


class UnknownName(UsageError):
    code: ClassVar[str] = "unknown_name"


class InputError(LiangjiError):
    code: ClassVar[str] = "input_error"


class LimitExceeded(InputError):
    code: ClassVar[str] = "limit_exceeded"


class SchemaError(LiangjiError):
    code: ClassVar[str] = "schema_error"


class StoreError(LiangjiError):
    code: ClassVar[str] = "store_error"


class TransientError(StoreError):
    code: ClassVar[str] = "transient_error"


class RunError(LiangjiError):
    code: ClassVar[str] = "run_error"


class LedgerError(RunError):
    code: ClassVar[str] = "ledger_error"


class FaultShareExceeded(RunError):
    code: ClassVar[str] = "fault_share_exceeded"


class ClusterError(LiangjiError):
    code: ClassVar[str] = "cluster_error"


class PackageError(LiangjiError):
    code: ClassVar[str] = "package_error"
