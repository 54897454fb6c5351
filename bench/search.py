"""Hamming search: Safelight's `HashIndex` against faiss `IndexBinaryFlat`, same process.

    python bench/search.py [--sizes 100000 1000000] [--radius 31] [--rounds 7]

Random hashes; every other query lies 0 to `radius` bits from one of them. Calls are interleaved,
one thread each; the ratio is the median over rounds of paired calls with its extremes, queries per
second are of the median call. Before anything is timed both must find the same ids and distances.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import faiss
import numpy as np
from numpy.typing import NDArray

from safelight.kernel import isa
from safelight.kernel.index import HashIndex

Hashes = NDArray[np.uint8]

BATCHES = (1, 8, 64)
QUERIES = 64


def make_queries(rng: np.random.Generator, hashes: Hashes, radius: int) -> Hashes:
    """Random hashes and near copies in turn."""
    queries = rng.integers(0, 256, (QUERIES, 32), dtype=np.uint8)
    for number in range(0, QUERIES, 2):
        mask = np.zeros(256, np.uint8)
        mask[rng.permutation(256)[: number * radius // QUERIES]] = 1
        queries[number] = hashes[rng.integers(len(hashes))] ^ np.packbits(mask)
    return queries


def same_hits(index: HashIndex, peer: faiss.IndexBinaryFlat, queries: Hashes, radius: int) -> int:
    """How many hits there are; both sides must give the same ones, each once."""
    ours = index.search(queries, radius)
    # faiss finds what is nearer than its radius
    offsets, distances, ids = peer.range_search(queries, radius + 1)
    assert np.array_equal(ours.offsets, offsets.astype(np.int64))
    for start, end in zip(offsets[:-1].astype(int), offsets[1:].astype(int), strict=True):
        mine = sorted(zip(ours.ids[start:end], ours.distances[start:end], strict=True))
        assert mine == sorted(zip(ids[start:end], distances[start:end].astype(int), strict=True))
    return len(ours.ids)


def seconds(search: Callable[[Hashes], object], queries: Hashes, batch: int) -> float:
    """Duration of one query, all queries asked in batches."""
    start = time.perf_counter()
    for first in range(0, QUERIES, batch):
        search(queries[first : first + batch])
    return (time.perf_counter() - start) / QUERIES


def compare(
    index: HashIndex, peer: faiss.IndexBinaryFlat, queries: Hashes, radius: int, rounds: int
) -> None:
    """Print a line for each batch size."""
    for batch in BATCHES:
        pairs = []
        for _ in range(rounds):
            theirs = seconds(lambda q: peer.range_search(q, radius + 1), queries, batch)
            pairs.append((seconds(lambda q: index.search(q, radius), queries, batch), theirs))
        ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = [peer_time / our_time for our_time, peer_time in pairs]
        print(
            f"{len(index):>9,} {batch:>6} {1 / theirs:>11,.0f} {1 / ours:>10,.0f} "
            f"{statistics.median(ratios):>6.1f}x  [{min(ratios):.1f}, {max(ratios):.1f}]"
        )


def main() -> None:
    """Print one line per size and batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--radius", type=int, default=31)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    print(f"isa {isa()}, radius {arguments.radius}, {arguments.rounds} rounds")
    print(
        f"{'hashes':>9} {'batch':>6} {'faiss q/s':>11} {'ours q/s':>10} {'ratio':>7}  [least, most]"
    )
    for size in arguments.sizes:
        rng = np.random.default_rng(size)
        hashes = rng.integers(0, 256, (size, 32), dtype=np.uint8)
        index = HashIndex.build(hashes, np.arange(size, dtype=np.int64))
        peer = faiss.IndexBinaryFlat(256)
        peer.add(hashes)
        queries = make_queries(rng, hashes, arguments.radius)
        assert same_hits(index, peer, queries, arguments.radius) >= QUERIES // 2
        compare(index, peer, queries, arguments.radius, arguments.rounds)


if __name__ == "__main__":
    main()
