"""Rows a second from a hash file into a hash list, against COPY alone of the same rows.

COPY alone takes bytes that are ready into a table without index, checks or row security: no import
can be as fast. Prints the ratios of the same run. The embedded PostgreSQL runs in a folder of its
own; --rows 10000000 needs about 8 GB of disk there.
"""

import argparse
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from safelight.connectors.hash_files import read_hash_file
from safelight.model import HashRow
from safelight.settings import load_settings
from safelight.store import entry_arrays, imports, lists, staging
from safelight.store.database import Store, open_store


def main() -> None:
    """Make the files, run, and clean up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    number = parser.parse_args().rows
    home = Path(tempfile.mkdtemp(prefix="safelight-bench-", dir="/tmp"))
    home.chmod(0o755)
    store = open_store(load_settings({"SAFELIGHT_HOME": str(home / "home")}))
    try:
        for name, write in (("plain.txt", _plain), ("table.csv", _table)):
            file = home / name
            with file.open("w") as out:
                out.writelines(write(number))
            _run(store, file, number)
            file.unlink()
    finally:
        store.close()
        shutil.rmtree(home)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"most memory of this process, loading for matching included: {peak:,.0f} MB")


def _plain(number: int) -> Iterator[str]:
    yield from (f"{random.randbytes(32).hex()}\n" for _ in range(number))


def _table(number: int) -> Iterator[str]:
    yield "pdq,quality,id,class\n"
    yield from (f"{random.randbytes(32).hex()},{n % 101},A-{n},B{n % 5}\n" for n in range(number))


def _run(store: Store, file: Path, number: int) -> None:
    print(f"{file.name}, {number:,} rows")
    with store.transaction() as tx:
        made = lists.create(tx, lists.NewList(name=file.name, source="bench"))
    read = _timed("read the file", number, lambda: _count(_rows(file)))
    with tempfile.TemporaryFile() as spool:
        pieces = list(staging._Packer(spool).pieces(_rows(file)))
    plain = _timed("COPY alone", number, lambda: _copy(store, pieces))
    pieces.clear()
    first = _timed("import", number, lambda: _import(store, made, file))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    again = _timed("import again", number, lambda: _import(store, made, file))
    _timed("load for matching", number, lambda: _load(store, made))
    print(f"import takes {first / plain:.1f} x the time of COPY alone, again {again / plain:.1f} x")
    both = read + plain
    print(f"that is {first / both:.1f} x reading the file and COPY, again {again / both:.1f} x")
    print(f"most memory of this process until then: {memory:,.0f} MB")


def _timed(what: str, number: int, work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    print(f"{what:<20}{number / seconds:>12,.0f} rows/s", flush=True)
    return seconds


def _rows(file: Path) -> Iterator[HashRow]:
    return (row for row in read_hash_file(file) if isinstance(row, HashRow))


def _count(rows: Iterator[HashRow]) -> int:
    return sum(1 for _ in rows)


def _copy(store: Store, pieces: list[bytes]) -> None:
    with store.transaction() as tx:
        tx.connection.execute(sa.text(staging._MAKE))
        staging._copy(tx.connection, "staged", pieces)


def _import(store: Store, made: lists.HashList, file: Path) -> None:
    with store.transaction() as tx:
        imports.import_entries(tx, made, _rows(file))


def _load(store: Store, made: lists.HashList) -> None:
    with store.transaction() as tx:
        entry_arrays.entries_for_matching(tx, [made.id])


if __name__ == "__main__":
    main()
