"""Dataset tables: immutable versions of rows. The only module that imports Lance, whose majors come every few weeks.

A table is written in two steps. `stage` writes fragments (data files) that no version refers to; `commit` makes one version
that consists of exactly the fragments it is given. Killed in between, the old version stands and the staged files are orphans
that `collect_garbage` removes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from liangji.core.errors import SchemaError, StoreError, UsageError
from liangji.stores.objects import Objects, is_url

# Lance writes warnings of its own to stderr ("No existing dataset, it will be created"); it reads this when it is imported.
os.environ.setdefault("LANCE_LOG", "error")

import lance
from lance.fragment import FragmentMetadata, write_fragments

FORMAT = "2.2"  # of the data files; never left to the default of the day
_STAGE_BUFFER_BYTES = 32 << 20  # shared by all columns; Lance's own default is 8 MiB a column
_SCAN_BUFFER_BYTES = 16 << 20  # Lance's own default is 2 GiB; this one scans as fast
_SCAN_BATCH_BYTES = 2 << 20  # a dozen batches are under way at a time, and 1024 long documents fill a gigabyte
_FRAGMENT_BYTES = 1 << 30
# Of long texts; left alone, Lance 14 tries FSST, which takes as long and leaves Chinese as large as it was. On 52 MB of Chinese and
# English pages, write + scan in ms of CPU per MB: default 5.5 + 2.8, on disk 53 MB; this 5.2 + 2.4, 30 MB; zstd 3 a value, Lance's
# choice where a text is over 32 KiB, 7.2 + 2.4, 29 MB; lz4 3.2 + 1.2, 39 MB; none 0.9 + 0.8, 53 MB. Blocks, because compressing
# value by value takes four times as long for texts of a few hundred bytes.
_TEXT_ENCODING = {
    "lance-encoding:compression": "zstd",
    "lance-encoding:compression-level": "1",
    "lance-encoding:structural-encoding": "miniblock",
}


class Tables:
    """Dataset tables: immutable versions of rows, in Lance.

    `root` is a local folder or the address of a place on an object store ('s3://bucket/prefix'); the table 'statutes/rows'
    lives at `root`/statutes/rows.lance. May be used from several threads.
    """

    def __init__(self, root: str, storage_options: Mapping[str, str] | None = None) -> None:
        self._root = root.rstrip("/") if is_url(root) else str(Path(root).absolute())
        self._options = dict(storage_options) if storage_options else None
        self._files = Objects.open(self._root, self._options)

    def stage(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> list[str]:
        """Write fragments that belong to no version yet, holding only a few batches in memory.

        `batches` is drawn from in a thread of Lance.
        Output: a JSON description of each fragment, in order; [] when there were no rows.
        Raises: SchemaError where a batch has other columns; whatever `batches` raises; StoreError.
        """
        checked = _Checked(schema, batches, table)
        encoded = _encoded(schema)
        stream = (pa.RecordBatch.from_arrays(batch.columns, schema=encoded) for batch in checked)
        reader = pa.RecordBatchReader.from_batches(encoded, stream)
        try:
            with _told(table):
                written = write_fragments(
                    reader,
                    self._address(table),
                    encoded,
                    mode="overwrite",  # gives the columns ids of their own, whatever earlier versions of the table look like
                    max_bytes_per_file=_FRAGMENT_BYTES,
                    data_cache_bytes=_STAGE_BUFFER_BYTES,
                    data_storage_version=FORMAT,
                    storage_options=self._options,
                )
        except StoreError:
            if checked.failure is not None:  # Lance turns what the stream raised into an OSError of its own
                raise checked.failure from None
            raise
        return [json.dumps(fragment.to_json()) for fragment in written if fragment.physical_rows]

    def commit(self, table: str, schema: pa.Schema, fragments: Sequence[str]) -> int:
        """Make one version that consists of exactly these fragments, in this order; an empty list makes an empty table.

        Fragments may belong to earlier versions too, as long as the schema is theirs; their rows get new row ids.
        Output: the version of the table.
        """
        operation = lance.LanceOperation.Overwrite(schema, [FragmentMetadata.from_json(fragment) for fragment in fragments])
        with _told(table):
            committed = lance.LanceDataset.commit(
                self._address(table), operation, storage_options=self._options, enable_stable_row_ids=True
            )
        return int(committed.version)

    def scan(
        self,
        table: str,
        version: int,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        batch_rows: int = 1024,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the order of the version, those for which `where` (SQL) holds.

        Output: batches of at most `batch_rows` rows, and of about 2 MiB; where they are cut means nothing.
        """
        with _told(table, version):
            batches = (
                self._open(table, version)
                .scanner(
                    columns=None if columns is None else list(columns),
                    filter=where,
                    limit=limit,
                    offset=offset or None,
                    batch_size=batch_rows,
                    batch_size_bytes=_SCAN_BATCH_BYTES,
                    batch_readahead=4,
                    fragment_readahead=2,
                    io_buffer_size=_SCAN_BUFFER_BYTES,
                    scan_in_order=True,
                )
                .to_batches()
            )
        while True:
            with _told(table, version):
                batch = next(batches, None)
            if batch is None:
                return
            if batch.num_rows:
                yield batch

    def take(self, table: str, version: int, rows: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """Take rows by their 0-based positions in the version, in the order asked for."""
        with _told(table, version):
            dataset = self._open(table, version)
            last = dataset.count_rows() - 1
            beyond = next((row for row in rows if not 0 <= row <= last), None)
            if beyond is not None:
                raise StoreError(f"no row {beyond}", _place(table, version), f"rows are numbered from 0 to {last}")
            return dataset.take(list(rows), columns=None if columns is None else list(columns))

    def count(self, table: str, version: int, where: str | None = None) -> int:
        with _told(table, version):
            return int(self._open(table, version).count_rows(filter=where))

    def schema(self, table: str, version: int) -> pa.Schema:
        with _told(table, version):
            return self._open(table, version).schema

    def collect_garbage(self, table: str, keep: Sequence[str]) -> int:
        """Delete the data files that neither a version nor a fragment in `keep` refers to.

        Call it under the lock of the workspace only: the files of a builder at work look like orphans.
        Output: bytes freed.
        """
        folder = f"{_folder(table)}/data/"
        with _told(table):
            used = {file.path for fragment in keep for file in FragmentMetadata.from_json(fragment).files}
            used |= self._files_of_versions(table)
            orphans = [found for found in self._files.list(folder) if found.key.removeprefix(folder) not in used]
            self._files.delete(*(orphan.key for orphan in orphans))
        return sum(orphan.size_bytes for orphan in orphans)

    def _files_of_versions(self, table: str) -> set[str]:
        if not any(found.key.endswith(".manifest") for found in self._files.list(f"{_folder(table)}/_versions/")):
            return set()  # staged, never committed: there is nothing to open
        newest = lance.dataset(self._address(table), storage_options=self._options)
        return {
            file.path
            for version in newest.versions()
            for fragment in newest.checkout_version(version["version"]).get_fragments()
            for file in fragment.metadata.files
        }

    def _open(self, table: str, version: int) -> lance.LanceDataset:
        return lance.dataset(self._address(table), version=version, storage_options=self._options)

    def _address(self, table: str) -> str:
        return f"{self._root}/{_folder(table)}"


def _folder(table: str) -> str:
    if not {"", ".", ".."}.isdisjoint(table.split("/")) or "\0" in table:
        raise UsageError(f"'{table}' is no name of a table", "", "name it like 'statutes/rows'")
    return f"{table}.lance"


def _encoded(schema: pa.Schema) -> pa.Schema:
    """Tell Lance how to write the long texts of a table. What is written tells by itself how it is to be read."""
    return pa.schema(
        [item.with_metadata(_TEXT_ENCODING) if pa.types.is_large_string(item.type) else item for item in schema], schema.metadata
    )


def rows_of(fragment: str) -> int:
    """Tell how many rows a staged fragment has."""
    return int(json.loads(fragment)["physical_rows"])


class _Checked:
    """A stream of batches on its way into Lance: checks the columns, and keeps what the stream raised."""

    def __init__(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch], table: str) -> None:
        self._schema, self._batches, self._table = schema, batches, table
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                self._check(batch.schema)
                yield batch
        except BaseException as failure:
            self.failure = failure
            raise

    def _check(self, schema: pa.Schema) -> None:
        if not schema.equals(self._schema):
            raise SchemaError(
                f"a batch for table '{self._table}' has other columns than the table",
                _difference(self._schema, schema),
                "cast the batch to the schema of the table",
            )


def _difference(wanted: pa.Schema, got: pa.Schema) -> str:
    """Name the first column that differs."""
    for index in range(max(len(wanted), len(got))):
        ours = str(wanted.field(index)) if index < len(wanted) else "nothing"
        theirs = str(got.field(index)) if index < len(got) else "nothing"
        if ours != theirs:
            return f"column {index}: {ours} in the table, {theirs} in the batch"
    return "the fields differ in whether they may be null"


_RUST_SOURCE = re.compile(r",? *(?:/[\w.@-]+)+\.rs:\d+:\d+")  # Lance ends its messages with places in its own source


@contextmanager
def _told(table: str, version: int | None = None) -> Iterator[None]:
    """Tell errors of Lance as ours."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, NotImplementedError) as error:  # Arrow's own errors are all of these
        words = _RUST_SOURCE.sub("", str(error)).strip()
        place = _place(table, version)
        if "was not found" in words or "not found: " in words.lower():
            raise StoreError(f"there is no {place}", words, "list what there is: liangji datasets list") from error
        mend = "check that the store is reachable, writable and not full"
        if "No field named" in words or "Invalid user input" in words:
            mend = "name columns of the table, in SQL as DataFusion reads it"
        raise StoreError(f"{place} could not be read or written", words, mend) from error


def _place(table: str, version: int | None) -> str:
    return f"table '{table}'" if version is None else f"version {version} of table '{table}'"
