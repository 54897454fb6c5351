"""Rows a second into a hash list, against COPY alone into a table without index or checks.

Prints the ratio of both in the same run. The embedded PostgreSQL runs in a folder of its own.
"""

import argparse
import random
import shutil
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from safelight.model import Algorithm, HashRow
from safelight.settings import load_settings
from safelight.store import entries, entry_arrays, imports, lists
from safelight.store.database import Store, open_store


def main() -> None:
    """Make the rows, run, and clean up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    number = parser.parse_args().rows
    rows = [HashRow(n, Algorithm.PDQ, random.randbytes(32), 80) for n in range(number)]
    home = Path(tempfile.mkdtemp(prefix="safelight-bench-", dir="/tmp"))
    store = open_store(load_settings({"SAFELIGHT_HOME": str(home)}))
    try:
        _run(store, rows)
    finally:
        store.close()
        shutil.rmtree(home)


def _run(store: Store, rows: list[HashRow]) -> None:
    with store.transaction() as tx:
        made = lists.create(tx, lists.NewList(name="bench", source="bench"))
    plain = _timed("COPY alone", rows, lambda: _copy(store, rows))
    first = _timed("import", rows, lambda: _import(store, made, rows))
    again = _timed("import again", rows, lambda: _import(store, made, rows))
    _timed("load for matching", rows, lambda: _load(store, made))
    print(f"import takes {first / plain:.1f} x the time of COPY alone, again {again / plain:.1f} x")


def _timed(what: str, rows: list[HashRow], work: object) -> float:
    begun = time.perf_counter()
    work()  # type: ignore[operator]
    seconds = time.perf_counter() - begun
    print(f"{what:<20}{len(rows) / seconds:>12,.0f} rows/s")
    return seconds


def _copy(store: Store, rows: list[HashRow]) -> None:
    with store.transaction() as tx:
        tx.connection.execute(sa.text(imports._STAGE))
        imports._copy(tx.connection, rows)


def _import(store: Store, made: lists.HashList, rows: list[HashRow]) -> None:
    with store.transaction() as tx:
        imports.import_entries(tx, made, rows)


def _load(store: Store, made: lists.HashList) -> None:
    with store.transaction() as tx:
        entry_arrays.entries_for_matching(tx, [made.id])


if __name__ == "__main__":
    main()
