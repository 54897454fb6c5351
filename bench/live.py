"""How soon a change of a hash list is matched by other processes, and what it costs searches.

    python bench/live.py [--entries 100000] [--followers 2] [--changes 200]

One embedded PostgreSQL in a temporary home, one list. Each follower is a process of its own with a
`LiveMatcher`, two threads of it searching all the time. This process imports one hash after the
other (each import is one transaction) and notes when its commit returned; a third thread of each
follower asks for every new hash until it matches. Times are of one machine's monotonic clock:
`commit to matchable` from the return of the commit to the first answer that has the hash.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from safelight.app import open_app
from safelight.matching.live import LiveMatcher
from safelight.matching.rules import MatchPolicy
from safelight.model import Algorithm, HashRow
from safelight.settings import Settings, load_settings
from safelight.store import imports, lists
from safelight.store.database import Store, open_store
from safelight.store.lists import NewList

POLICY = MatchPolicy()
PAUSE = 0.02  # seconds between two changes


def new_hash(number: int) -> bytes:
    """The hash that change `number` adds: the same in every process, near no other."""
    return np.random.default_rng([7, number]).bytes(32)


def settings_of(home: Path) -> Settings:
    """The settings of this bench."""
    return load_settings({"SAFELIGHT_HOME": str(home), "SAFELIGHT_ACTOR": "bench"})


def follow(home: Path, changes: int) -> None:
    """A follower: says when it is ready, then when it first found each new hash."""
    store = open_store(settings_of(home))
    with LiveMatcher(store) as live:
        stop = threading.Event()
        took: list[float] = []

        def search() -> None:
            rng = np.random.default_rng()
            while not stop.is_set():
                began = time.perf_counter()
                live.matcher.hash_hits(Algorithm.PDQ, rng.bytes(32), POLICY)
                took.append(time.perf_counter() - began)
                time.sleep(0.001)

        searchers = [threading.Thread(target=search) for _ in range(2)]
        for searcher in searchers:
            searcher.start()
        print("ready", flush=True)
        found = []
        for number in range(changes):
            value = new_hash(number)
            while not live.matcher.hash_hits(Algorithm.PDQ, value, MatchPolicy(radius=0)):
                time.sleep(0.0002)
            found.append(time.monotonic())
        stop.set()
        for searcher in searchers:
            searcher.join()
    print(json.dumps({"found": found, "searches": len(took), "p99": _percentile(took, 99)}))
    store.close()


def _percentile(values: list[float], percent: int) -> float:
    return float(np.percentile(np.array(values), percent))


def _fill(store: Store, entries: int) -> lists.HashList:
    values = np.random.default_rng(1).integers(0, 256, (entries, 32), np.uint8)
    rows = (HashRow(n, Algorithm.PDQ, value.tobytes(), 100) for n, value in enumerate(values, 1))
    with store.transaction() as tx:
        made = lists.create(tx, NewList(name="bench", source="bench"))
        imports.import_entries(tx, made, rows)
    return made


def measure(home: Path, entries: int, followers: int, changes: int) -> None:
    """Fill the list, start the followers, change the list, and print what they saw."""
    with open_app(settings_of(home)) as app:
        made = _fill(app.store, entries)
        command = [sys.executable, __file__, "--follow", str(home), "--changes", str(changes)]
        processes = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(followers)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        commits, committing = [], []
        for number in range(changes):
            began = time.monotonic()
            with app.transaction() as tx:
                row = HashRow(number, Algorithm.PDQ, new_hash(number), 100)
                imports.import_entries(tx, made, [row])
            commits.append(time.monotonic())
            committing.append(commits[-1] - began)
            time.sleep(PAUSE)
        told = [json.loads(process.communicate()[0]) for process in processes]
    print(f"{entries:,} entries, {followers} followers, {changes} changes of one hash each")
    print(f"an import of one hash takes {1000 * statistics.median(committing):.1f} ms (median)")
    late = [found - at for one in told for found, at in zip(one["found"], commits, strict=True)]
    for name, value in (
        ("p50", _percentile(late, 50)),
        ("p99", _percentile(late, 99)),
        ("max", max(late)),
    ):
        print(f"commit to matchable, {name}: {1000 * value:.1f} ms")
    searches = sum(one["searches"] for one in told)
    worst = max(one["p99"] for one in told)
    print(f"{searches:,} searches meanwhile, p99 {1000 * worst:.2f} ms")


def main() -> None:
    """Run as told on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--followers", type=int, default=2)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--follow", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.follow is not None:
        follow(asked.follow, asked.changes)
        return
    # Not below /root: the server's own account must be able to pass.
    with tempfile.TemporaryDirectory(prefix="safelight-bench-", dir="/tmp") as home:
        measure(Path(home), asked.entries, asked.followers, asked.changes)


if __name__ == "__main__":
    main()
