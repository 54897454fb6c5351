"""Search of 256-bit hashes: ours against faiss, threatexchange and usearch, in the same process.

    make env-dev                                            # brings the peers
    python bench/index.py                                   # 10^5 and 10^6, all peers
    python bench/index.py --sizes 10000000 --peers "faiss flat" --rounds 3
    python bench/index.py --kinds photographs lopsided --json found.json

One thread each. Half of the queries are random, half lie 0 to `radius` bits from a listed hash. The
peers are asked in turns with ours; a ratio is the median over rounds, with its extremes. Before
anything is timed every index must give the same ids and distances as ours (usearch, which knows no
radius, is only timed). `photographs` are hashes of pieces of scikit-image's photographs, and the
queries are of pieces that were edited (saved as JPEG, made smaller, brighter, cut); in `lopsided`
sets one hash in ten is the same as another or within three bits of it.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import psutil

from index_parts.hashes import KINDS, Hashes, edited_photographs, queries_for
from index_parts.peers import PEERS, Index, Safelight
from index_parts.timing import Timed, compare
from safelight.kernel import isa

BATCHES = (1, 64, 1024)
CHECKED = 64  # queries whose hits are compared before anything is timed
SLOW = frozenset({"threatexchange", "usearch exact"})  # not asked 1,024 queries, nor beyond 10^6
SLOW_FROM = 10_000_000  # from so many hashes on, the peers get one round of the largest batch


def main() -> None:
    """Print what was measured; with --json, write it too."""
    arguments = _arguments()
    faiss.omp_set_num_threads(1)
    print(f"isa {isa()}, radius {arguments.radius}, {arguments.rounds} rounds")
    rows = []
    for kind in arguments.kinds:
        for size in arguments.sizes:
            rows += measure(kind, size, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def measure(kind: str, size: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Everything about one set of hashes."""
    hashes = KINDS[kind](size, size)
    queries = make_queries(kind, hashes, arguments.radius)
    ours, row = build(Safelight, kind, hashes)
    rows = [row]
    peers = []
    for name in arguments.peers:
        if name in SLOW and size > 1_000_000:
            continue
        peer, row = build(PEERS[name], kind, hashes)
        peers.append(peer)
        rows.append(row)
    for peer in peers:
        check_same(ours, peer, queries[:CHECKED], arguments.radius)
    for batch in arguments.batches:
        rows += search(ours, peers, queries, batch, kind, arguments)
    return rows


def make_queries(kind: str, hashes: Hashes, radius: int) -> Hashes:
    """Queries of which at least half are near something that is listed."""
    if kind == "photographs":
        return edited_photographs(hashes, max(BATCHES), seed=len(hashes) + 1)
    return queries_for(hashes, max(BATCHES), radius, seed=len(hashes) + 1)


def build(make: Any, kind: str, hashes: Hashes) -> tuple[Index, dict[str, Any]]:
    """Build an index; say how long one core was busy with it and how much memory came of it."""
    process = psutil.Process()
    before, start = process.memory_info().rss, time.process_time()
    index: Index = make(hashes)
    seconds = time.process_time() - start
    size = (process.memory_info().rss - before) / len(hashes)
    if isinstance(index, Safelight):
        size = index.index.statistics().bytes / len(hashes)
    print(f"{kind:>12} {len(hashes):>11,}  {index.name:<16} built in {seconds:7.2f} s", end="")
    print(f", {size:6.1f} bytes a hash")
    row = {"what": "build", "kind": kind, "size": len(hashes), "index": index.name}
    return index, {**row, "seconds": seconds, "bytes": size}


def check_same(ours: Index, peer: Index, queries: Hashes, radius: int) -> None:
    """Raise AssertionError where the peer finds anything else than we do."""
    found = 0
    for query in queries:
        theirs = peer.pairs(query, radius)
        if theirs is not None:
            mine = ours.pairs(query, radius)
            assert mine == theirs, f"{peer.name}: {theirs}, ours: {mine}"
            found += len(theirs)
    if peer.pairs(queries[0], radius) is not None:
        assert found >= len(queries) // 2, f"{peer.name} found {found} of what was planted"


def search(
    ours: Index,
    peers: list[Index],
    queries: Hashes,
    batch: int,
    kind: str,
    arguments: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Time one size of batch, and print a line for each index."""
    size = len(ours.index)  # type: ignore[attr-defined]
    asked = [peer for peer in peers if batch < max(BATCHES) or peer.name not in SLOW]
    some = queries[: max(batch, CHECKED)]
    rounds = 1 if batch == max(BATCHES) and size >= SLOW_FROM else arguments.rounds
    found = compare(ours, asked, some, batch, arguments.radius, rounds)
    for name, timed in found.items():
        _print(kind, size, batch, name, timed)
    what = {"what": "search", "kind": kind, "size": size, "batch": batch}
    return [{**what, "index": name, **asdict(timed)} for name, timed in found.items()]


def _print(kind: str, size: int, batch: int, name: str, timed: Timed) -> None:
    line = f"{kind:>12} {size:>11,}  {name:<16} batch {batch:>5} {1 / timed.seconds:>11,.0f} q/s"
    line += f" {1e6 * timed.seconds:>10,.1f} us"
    if name != Safelight.name:
        line += f"   ours {timed.ratio:>7,.1f} x [{timed.least:,.1f}, {timed.most:,.1f}]"
    print(line, flush=True)


def _arguments() -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=["uniform"])
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--radius", type=int, default=31, help="the peers are exact up to 31")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    arguments = parser.parse_args()
    np.random.default_rng()  # NumPy's generator is loaded before memory is measured
    return arguments


if __name__ == "__main__":
    main()
