"""The index while it changes: additions, merges under queries, files, clusters.

    python bench/index_live.py [--size 1000000]

What is printed: the time until a hash that was added is found; the times of a query before, during
and after a merge of all entries in the background; saving, opening, the first query after opening;
a query into 100,000 equal and 100,000 nearly equal hashes, beside a scan of all by faiss.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faiss
import numpy as np

from index_parts.hashes import flipped, queries_for, uniform
from safelight.kernel.index import HashIndex

RADIUS = 31
CLUSTER = 100_000
FIRST_NEW = 1 << 40


def main() -> None:
    """Print one line for each thing measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000_000)
    size = parser.parse_args().size
    faiss.omp_set_num_threads(1)
    hashes = uniform(size, 1)
    index = HashIndex.build(hashes, np.arange(size, dtype=np.int64))
    queries = queries_for(hashes, 4096, RADIUS, seed=2)
    print(f"{size:,} hashes")
    additions(index)
    under_merge(index, queries)
    files(index, queries)
    clusters(hashes)


def additions(index: HashIndex) -> None:
    """Add one hash after another, and ask for each at once."""
    new = uniform(2_000, 3)
    times = []
    for number, hash_ in enumerate(new):
        start = time.perf_counter()
        index.add(hash_[None], np.array([FIRST_NEW + number]))
        found = index.search(hash_, 0)
        times.append(time.perf_counter() - start)
        assert FIRST_NEW + number in found.ids
    print(f"added and found: {_spread(times)}")


def under_merge(index: HashIndex, queries: np.ndarray) -> None:
    """Query without a pause while another thread merges everything."""
    print(f"a query before a merge: {_spread(_times(index, queries, lambda: False))}")
    index.add(uniform(20_000, 4), np.arange(20_000, dtype=np.int64) + 2 * FIRST_NEW)
    index.remove(np.arange(0, len(index) // 50, dtype=np.int64))
    merging = threading.Thread(target=index.merge)
    start = time.perf_counter()
    merging.start()
    times = _times(index, queries, merging.is_alive)
    merging.join()
    print(f"a query during it ({time.perf_counter() - start:.1f} s): {_spread(times)}")
    print(f"a query after it: {_spread(_times(index, queries, lambda: False))}")


def files(index: HashIndex, queries: np.ndarray) -> None:
    """Save, open, ask."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "hashes.slindex"
        print(f"saved: {_once(lambda: index.save(path)):.2f} s, {path.stat().st_size:,} bytes")
        opening = [_once(lambda: HashIndex.open(path)) for _ in range(20)]
        print(f"opened: {_spread(opening)}")
        opened = HashIndex.open(path)
        print(
            f"first query after it: {1e6 * _once(lambda: opened.search(queries[0], RADIUS)):.0f} us"
        )
        print(f"a query on the mapped file: {_spread(_times(opened, queries, lambda: False))}")


def clusters(hashes: np.ndarray) -> None:
    """Ask for the centre of many equal, and of many nearly equal hashes."""
    rng = np.random.default_rng(5)
    centre = uniform(1, 6)[0]
    for name, most in (("equal", 0), ("within 3 bits of one", 3)):
        some = hashes.copy()
        for place in rng.permutation(len(some))[:CLUSTER]:
            some[place] = flipped(centre, int(rng.integers(most + 1)), rng)
        index = HashIndex.build(some, np.arange(len(some), dtype=np.int64))
        peer = faiss.IndexBinaryFlat(256)
        peer.add(some)
        for where, bits in (("the centre", 0), ("a hash near them", RADIUS + 5)):
            query = flipped(centre, bits, rng)
            ours = _best(partial(index.search, query, RADIUS))
            scan = _best(partial(peer.range_search, query[None], RADIUS + 1))
            print(f"{CLUSTER:,} {name}, {where}: {1e3 * ours:.2f} ms; a scan {1e3 * scan:.2f} ms")


def _best(work: Callable[[], object]) -> float:
    return min(_once(work) for _ in range(7))


def _times(index: HashIndex, queries: np.ndarray, going_on: Callable[[], bool]) -> list[float]:
    """Times of the queries one by one, again and again while `going_on`."""
    times = []
    while not times or going_on():
        for query in queries:
            start = time.perf_counter()
            index.search(query, RADIUS)
            times.append(time.perf_counter() - start)
    return times


def _once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _spread(seconds: list[float]) -> str:
    half, most, worst = (1e6 * np.quantile(seconds, share) for share in (0.5, 0.99, 1))
    return f"p50 {half:,.1f} us, p99 {most:,.1f}, worst {worst:,.1f} ({len(seconds):,} times)"


if __name__ == "__main__":
    main()
