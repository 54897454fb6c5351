"""From roots and a manifest to shards, in an order that is the same every time."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice

from safelight.bulk.dataset.files import Files
from safelight.bulk.dataset.layout import is_metadata, is_parquet, is_tar, layout_of
from safelight.bulk.dataset.members import gathered
from safelight.bulk.dataset.request import DatasetRequest, Layout
from safelight.bulk.dataset.shards import Numbering, Shard, ShardKind, Wanted
from safelight.bulk.walk import is_below, not_checked, walk
from safelight.connectors.manifest import (
    ManifestColumns,
    ManifestRow,
    format_of,
    read_csv,
    read_json_lines,
)
from safelight.connectors.objects import is_remote
from safelight.connectors.table import ParquetTables, check_parquet
from safelight.errors import BadInput

LOOKED_AT = 1000  # files, to tell the layout


def guess_layout(roots: Sequence[str], files: Files) -> Layout:
    """The layout that the first files speak for."""
    found = (wanted.path for wanted in _walked(roots, files))
    return layout_of(islice(found, LOOKED_AT))


class Listing:
    """The shards of a data set."""

    def __init__(self, request: DatasetRequest, files: Files, tables: ParquetTables) -> None:
        self._request = request
        self._files = files
        self._tables = tables

    def shards(self) -> Iterator[Shard]:
        """Every shard: those of manifests first, then of the files that none of them names."""
        numbering = Numbering()
        with _Named() as named:
            for wanted in self._from_manifests():
                if self._request.roots:
                    named.add(wanted.path)
                yield from self._numbered(numbering, wanted)
            yield from numbering.rest()
            for wanted in _walked(self._request.roots, self._files):
                if wanted.path not in named and not self._is_read_metadata(wanted):
                    yield from self._numbered(numbering, wanted)
            yield from numbering.rest()

    def _numbered(self, numbering: Numbering, wanted: Wanted) -> Iterator[Shard]:
        kind = self._kind(wanted)
        if kind is ShardKind.FILES:
            yield from numbering.add(wanted)
        else:
            yield numbering.single(kind, wanted)

    def _from_manifests(self) -> Iterator[Wanted]:
        request = self._request
        if request.manifest:
            rows = self._rows(request.manifest, request.columns)
            yield from gathered(_wanted(row, request.base, request.manifest) for row in rows)
        if request.layout is not Layout.HUGGINGFACE:
            return
        for metadata in _walked(request.roots, self._files):
            if self._is_read_metadata(metadata):
                yield from self._in_folder(metadata)

    def _in_folder(self, metadata: Wanted) -> Iterator[Wanted]:
        """The files that a `metadata.csv` names; none outside of its own folder."""
        name = os.fsdecode(metadata.path)
        folder = os.path.dirname(name)
        carry = ManifestColumns(carry=self._request.columns.carry)
        for row in self._rows(name, carry):
            wanted = _wanted(row, folder, name)
            if wanted.problem is None and not _stays_below(wanted.path, os.fsencode(folder)):
                problem = not_checked("link_not_followed")
                wanted = Wanted(path=wanted.path, facts=wanted.facts, problem=problem)
            yield wanted

    def _rows(self, name: str, columns: ManifestColumns) -> Iterator[ManifestRow]:
        kind, path = format_of(name), os.fsencode(name)
        try:
            if kind == "parquet":
                with self._files.opened(path) as file:
                    yield from self._tables.rows(file, columns)
                return
            read = read_csv if kind == "csv" else read_json_lines
            with self._files.stream(path) as stream:
                yield from read(stream, columns)
        except BadInput as exc:
            raise BadInput(f"{name}: {exc}") from exc

    def _kind(self, wanted: Wanted) -> ShardKind:
        if wanted.problem is not None:
            return ShardKind.FILES
        if wanted.members is not None:
            return ShardKind.TAR
        if self._request.layout is Layout.WEBDATASET and is_tar(wanted.path):
            return ShardKind.TAR
        if self._request.layout is Layout.HUGGINGFACE and is_parquet(wanted.path):
            check_parquet()
            return ShardKind.PARQUET
        return ShardKind.FILES

    def _is_read_metadata(self, wanted: Wanted) -> bool:
        is_table = self._request.layout is Layout.HUGGINGFACE and is_metadata(wanted.path)
        return is_table and wanted.problem is None


def _wanted(row: ManifestRow, base: str, manifest: str) -> Wanted:
    if not row.file:
        problem = not_checked("no_file_named")
        return Wanted(path=os.fsencode(manifest), facts=row.facts, problem=problem)
    if is_remote(row.file):
        path = row.file
    elif is_remote(base):
        path = f"{base}/{row.file}"
    else:
        path = os.path.normpath(os.path.join(base, row.file))
    raw = os.fsencode(path)
    tag = "" if is_remote(path) else _tag(raw)
    if row.member:
        return Wanted(path=raw, members={os.fsencode(row.member): row.facts}, tag=tag)
    return Wanted(path=raw, facts=row.facts, tag=tag)


def _stays_below(path: bytes, folder: bytes) -> bool:
    if is_remote(os.fsdecode(path)):
        return is_below(os.path.normpath(path), os.path.normpath(folder))
    return is_below(os.path.realpath(path), os.path.realpath(folder))


def _walked(roots: Sequence[str], files: Files) -> Iterator[Wanted]:
    for found in walk([os.fsencode(root) for root in roots if not is_remote(root)]):
        yield Wanted(path=found.path, problem=found.problem, tag=_tag(found.path))
    for root in roots:
        if is_remote(root):
            for one in files.stores.list(root):
                yield Wanted(path=os.fsencode(one.url), tag=f"{one.size} {one.tag}")


def _tag(path: bytes) -> str:
    """Size and time of a file that may be a shard; of others nothing is asked."""
    if not (is_tar(path) or is_parquet(path)):
        return ""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


class _Named:
    """The paths that a manifest named: on disk where they are many, as digests."""

    def __init__(self) -> None:
        # An empty name: a temporary database, held in memory until it is large, and no file's.
        self._database = sqlite3.connect("")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE named (path BLOB PRIMARY KEY) WITHOUT ROWID")
        self._any = False

    def __enter__(self) -> "_Named":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._database.close()

    def add(self, path: bytes) -> None:
        self._any = True
        self._database.execute("INSERT OR IGNORE INTO named VALUES (?)", [_digest(path)])

    def __contains__(self, path: bytes) -> bool:
        if not self._any:
            return False
        query = "SELECT 1 FROM named WHERE path = ?"
        return self._database.execute(query, [_digest(path)]).fetchone() is not None


def _digest(path: bytes) -> bytes:
    return blake2b(path, digest_size=16).digest()
