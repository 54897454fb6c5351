"""Recall of the index: is every planted neighbour found, at every distance from 0 to 64 bits?

    python bench/index_recall.py [--size 1000000] [--planted 32]

For every distance a number of hashes is planted exactly so far from a query. Each query is searched
with its own distance as the radius (must be found), and with one bit less (must not be).
"""

import argparse

import numpy as np

from index_parts.hashes import flipped, uniform
from safelight.kernel.index import HashIndex

DISTANCES = range(65)


def main() -> None:
    """Print one line for each distance; AssertionError where anything is missed or made up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--planted", type=int, default=32)
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    hashes = uniform(arguments.size, 2)
    places = rng.permutation(arguments.size)[: len(DISTANCES) * arguments.planted]
    places = places.reshape(len(DISTANCES), arguments.planted)
    queries = uniform(places.size, 3).reshape(*places.shape, 32)
    for distance in DISTANCES:
        for place, query in zip(places[distance], queries[distance], strict=True):
            hashes[place] = flipped(query, distance, rng)
    index = HashIndex.build(hashes, np.arange(arguments.size, dtype=np.int64))
    print(f"{arguments.size:,} hashes, {arguments.planted} planted at every distance")
    for distance in DISTANCES:
        within = _found(index, queries[distance], places[distance], distance)
        before = _found(index, queries[distance], places[distance], distance - 1)
        print(f"{distance:>3} bits: recall {within / arguments.planted:.4f}, one bit less {before}")
        assert (within, before) == (arguments.planted, 0)


def _found(index: HashIndex, queries: np.ndarray, places: np.ndarray, radius: int) -> int:
    """How many queries' own planted hashes are among what they find."""
    if radius < 0:
        return 0
    matches = index.search(queries, radius)
    found = 0
    for number, place in enumerate(places.tolist()):
        ids = matches.ids[matches.offsets[number] : matches.offsets[number + 1]]
        found += int(np.count_nonzero(ids == place) == 1)
    return found


if __name__ == "__main__":
    main()
