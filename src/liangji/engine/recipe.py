"""The recipe: what a dataset is made from and by which steps. Every fault is reported at once, with line and field."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from liangji.core import registry
from liangji.core.digest import canonical_hash
from liangji.core.errors import DocumentFault, InputError, LiangjiError, RecipeError
from liangji.core.operator import OperatorKind
from liangji.core.reading import ReadLimits
from liangji.core.schema import Kind, Modality, record_schema
from liangji.engine.document import Document, dotted

_MODEL = ConfigDict(extra="forbid", frozen=True)
_NEVER_WRITTEN = ("file", "text", "folder")  # fields of a recipe that come from where it was read
_EXAMPLES = {
    "dataset": "line_logs",
    "kind": "pretraining",
    "inputs": "[{path: raw/*.jsonl}]",
    "path": "raw/*.jsonl",
    "version": "1.2.0",
}


class Input(BaseModel):
    """One entry of `inputs`: where records come from, and what is true of all of them."""

    model_config = _MODEL

    path: Annotated[
        str, Field(min_length=1, description="file, folder, glob, archive or object-store address; relative to the recipe")
    ]
    fields: Annotated[
        dict[str, str | list[str]],
        Field(description="column of the record → field of the input, or several fields to be joined by a blank line"),
    ] = {}
    format: Annotated[str | None, Field(description="how to read it (`jsonl`, `csv`, …) where the name does not tell")] = None
    encoding: Annotated[str | None, Field(description="character encoding where it is known; found out otherwise")] = None
    options: Annotated[dict[str, Any], Field(description="options of the reader")] = {}
    source: Annotated[str | None, Field(description="type of source: 互联网, 自采, 公开数据集, 组织机构, 论文, 其他")] = None
    source_details: Annotated[
        str | None, Field(description="traceable: address, dataset name, place or device, number of the authorisation")
    ] = None
    license: Annotated[str | None, Field(description="licence or authorisation, as SPDX where there is one")] = None
    original_time: Annotated[str | None, Field(description="when the data came to be, ISO 8601, where the records do not tell")] = (
        None
    )
    generated: Annotated[Literal[0, 1], Field(description="1 for synthetic data")] = 0


class Output(BaseModel):
    model_config = _MODEL

    message: Annotated[str | None, Field(description="what changed, for the version's log")] = None
    author: Annotated[str | None, Field(description="who answers for this version; default: the user who runs the build")] = None
    index: Annotated[
        bool,
        Field(description="keep the keys of duplicates with the version, so that a later build is held `against` it at no cost"),
    ] = False
    version: Annotated[str | None, Field(pattern=r"^\d+\.\d+\.\d+$", description="semantic version; default: counted up")] = None


class Limits(BaseModel):
    model_config = _MODEL

    fault_share: Annotated[
        float, Field(ge=0, le=1, description="share of rows that may fail before the run stops; counted from 100 rows on")
    ] = 0.5
    reading: Annotated[ReadLimits, Field(description="what one input file may cost")] = ReadLimits()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the recipe: an operator with its options. `line` is 1-based in the recipe's text."""

    name: str
    operator: Any
    line: int

    @property
    def identity(self) -> list[Any]:
        """What decides the step's result beside its input: name, version, options, and files it leans on."""
        return self._identity(())

    @property
    def key_identity(self) -> list[Any]:
        """What decides the keys of an exchange: all that `identity` tells, but for options that only its decisions hang on."""
        return self._identity(getattr(self.operator, "decision_options", ()))

    def _identity(self, without: Collection[str]) -> list[Any]:
        options = TypeAdapter(type(self.operator)).dump_python(self.operator)
        options = {name: value for name, value in options.items() if name not in without}
        options = to_jsonable_python({name: _digested(value) for name, value in options.items()})
        fingerprint = getattr(self.operator, "fingerprint", None)
        return [self.name, self.operator.version, options, fingerprint() if callable(fingerprint) else fingerprint]


def _digested(value: Any) -> Any:
    """Stand a digest in for a secret, which JSON would write as the same asterisks whatever it is."""
    return canonical_hash(["secret", value.get_secret_value()]) if isinstance(value, SecretStr) else value


class Recipe(BaseModel):
    """A recipe, checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    dataset: Annotated[str, Field(pattern=r"^\w[\w.-]{0,63}$", description="name of the dataset: letters, digits, `_`, `-`, `.`")]
    kind: Annotated[Kind, Field(description="what the dataset is for")]
    modality: Annotated[Modality, Field(description="what its records are")] = Modality.TEXT
    inputs: Annotated[list[Input], Field(min_length=1, description="where records come from")]
    steps: Annotated[list[Step], Field(description="operators in order, each `name: {options}`")] = []
    restore: Annotated[
        list[str], Field(description="ids of records that no step may drop: what was dropped by mistake, brought back by a person")
    ] = []
    output: Annotated[Output, Field(description="what the version says of itself")] = Output()
    limits: Annotated[Limits, Field(description="what may go wrong, and what it may cost")] = Limits()
    file: Annotated[str, Field(exclude=True, description="where the recipe was read, as its faults name it")] = ""
    text: Annotated[str, Field(exclude=True, description="the recipe as written")] = ""
    folder: Annotated[Path, Field(exclude=True, description="what relative paths start from")] = Path()

    @property
    def hash(self) -> str:
        """Name how the dataset is made: kind, modality, steps; not the inputs, which the content tells, and not the message."""
        return canonical_hash([str(self.kind), str(self.modality), [step.identity for step in self.steps], sorted(self.restore)])


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe file.

    Raises: InputError where there is no such file, RecipeError with every fault.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError("cannot read the recipe", str(path), error.strerror or "") from error
    except UnicodeDecodeError as error:
        raise InputError("the recipe is not UTF-8", str(path), "save it as UTF-8") from error
    return parse_recipe(text, str(path), path.parent)


def parse_recipe(text: str, file: str, folder: Path, environment: Mapping[str, str] = os.environ) -> Recipe:
    """Check a recipe's text; relative paths start from `folder`, faults name `file`.

    A secret option never stands in the text: it is written `${NAME}` and taken from `environment`.

    Raises: RecipeError with every fault.
    """
    document = Document(file, RecipeError, _EXAMPLES, _NEVER_WRITTEN)
    value = document.load(text)
    faults = document.faults
    if not isinstance(value, dict):
        raise RecipeError(file, (*faults, DocumentFault(1, "", "a recipe is a mapping", "start with `dataset: name`")))
    raw_steps = value.pop("steps", None)
    steps = list(_steps(raw_steps if raw_steps is not None else [], document, environment))
    try:
        recipe = Recipe.model_validate({**value, "file": file, "text": text, "folder": folder})
    except ValidationError as error:
        faults += [document.fault(problem, Recipe) for problem in error.errors()]
    else:
        faults += _input_faults(recipe, document)
    if faults:
        raise RecipeError(file, tuple(sorted(faults, key=lambda fault: fault.line or 1_000_000)))
    return recipe.model_copy(update={"steps": steps})


def _input_faults(recipe: Recipe, document: Document) -> list[DocumentFault]:
    """Find columns that no record has and formats that nobody reads, before the first file is opened."""
    faults = []
    columns = record_schema(recipe.kind, recipe.modality).names
    formats = [name.removeprefix("read_") for name in registry.names(registry.Group.OPERATORS) if name.startswith("read_")]
    for index, entry in enumerate(recipe.inputs):
        wrong: list[tuple[tuple[str, ...], str, str, list[str]]] = [
            (("fields", name), name, "column", columns) for name in entry.fields if name not in columns
        ]
        if entry.format is not None and entry.format not in formats:
            wrong.append((("format",), entry.format, "format", formats))
        for place, name, what, known in wrong:
            path = ("inputs", index, *place)
            faults.append(DocumentFault(document.line(path), dotted(path), f"no {what} '{name}'", registry.suggestion(name, known)))
    return faults


def _steps(value: Any, document: Document, environment: Mapping[str, str]) -> Iterator[Step]:
    if not isinstance(value, list):
        document.report(("steps",), "a list of steps is expected", "write each as `- name: {options}`")
        return
    known = [name for name in registry.names(registry.Group.OPERATORS) if not name.startswith(("read_", "unpack_"))]
    for index, entry in enumerate(value):
        place: tuple[Any, ...] = ("steps", index)
        if isinstance(entry, str):
            entry = {entry: {}}  # noqa: PLW2901  # `- normalize_text` is short for `- normalize_text: {}`
        if not isinstance(entry, dict) or len(entry) != 1:
            document.report(place, "a step is one operator with its options", "write it as `- name: {options}`")
            continue
        ((name, options),) = entry.items()
        step = _step(str(name), {} if options is None else options, known, document, place, environment)
        if step is not None:
            yield step


def _step(
    name: str, options: Any, known: list[str], document: Document, place: tuple[Any, ...], environment: Mapping[str, str]
) -> Step | None:
    if name not in known:
        document.report((*place, name), f"no operator '{name}'", registry.suggestion(name, known))
        return None
    if not isinstance(options, dict):
        document.report((*place, name), "options are a mapping", f"write `- {name}: {{option: value}}`")
        return None
    try:
        kind = registry.load(registry.Group.OPERATORS, name)
        faults_before = len(document.faults)
        options = _with_secrets(kind, options, document, (*place, name), environment)
        if len(document.faults) > faults_before:
            return None
        operator = TypeAdapter(kind).validate_python(options)
    except ValidationError as error:
        for problem in error.errors():
            document.faults.append(document.fault(problem, kind, (*place, name)))
        return None
    except LiangjiError as error:
        document.report((*place, name), error.what, error.mend)
        return None
    if operator.kind in (OperatorKind.READ, OperatorKind.UNPACK):
        document.report((*place, name), f"'{name}' reads files and is no step", "name it in `inputs` as `format`")
        return None
    return Step(name, operator, document.line((*place, name)))


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _with_secrets(
    kind: type, options: dict[str, Any], document: Document, place: tuple[Any, ...], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Fill in the secret options; the message of a fault never shows what was written."""
    filled = dict(options)
    for name, hint in get_type_hints(kind).items():
        value = options.get(name)
        if value is None or SecretStr not in (hint, *get_args(hint)):
            continue
        variable = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
        if variable is None:
            mend = f'write `{name}: "${{LIANGJI_{name.upper()}}}"` and set that environment variable'
            document.report((*place, name), "a secret does not belong in a recipe", mend)
        elif not environment.get(variable[1]):
            mend = f"export {variable[1]} before the run"
            document.report((*place, name), f"the environment variable {variable[1]} is not set", mend)
        else:
            filled[name] = environment[variable[1]]
    return filled


def recipe_schema() -> dict[str, Any]:
    """Give the JSON Schema of a recipe, with the options of every installed operator."""
    schema = Recipe.model_json_schema()
    for hidden in _NEVER_WRITTEN:
        schema["properties"].pop(hidden, None)
    schema.get("$defs", {}).pop("Step", None)
    branches = []
    for name in registry.names(registry.Group.OPERATORS):
        kind = registry.load(registry.Group.OPERATORS, name)
        if kind.kind in (OperatorKind.READ, OperatorKind.UNPACK):
            continue
        options = TypeAdapter(kind).json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        for key, value in options.pop("$defs", {}).items():
            schema.setdefault("$defs", {})[f"{name}.{key}"] = value
        branches.append({"type": "object", "properties": {name: options}, "required": [name], "additionalProperties": False})
    schema["properties"]["steps"] = {"type": "array", "items": {"anyOf": [*branches, {"type": "string"}]}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
