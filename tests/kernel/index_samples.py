"""Hashes, ids and readable answers for the index's tests."""

import numpy as np
import numpy.typing as npt

from safelight.kernel.index import Matches, OrientedMatches

Hashes = npt.NDArray[np.uint8]


def random_hashes(count: int, seed: int = 1) -> Hashes:
    return np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)


def numbered(count: int, first: int = 0) -> npt.NDArray[np.int64]:
    return np.arange(first, first + count, dtype=np.int64)


def with_flipped(hash_: Hashes, bits: int, seed: int) -> Hashes:
    places = np.random.default_rng(seed).permutation(256)[:bits]
    mask = np.zeros(256, np.uint8)
    mask[places] = 1
    return hash_ ^ np.packbits(mask)


def as_lists(matches: Matches) -> list[list[tuple[int, int]]]:
    """The (id, distance) of each query, sorted: a hit reported twice would show."""
    assert matches.offsets.dtype == matches.ids.dtype == np.int64
    assert matches.distances.dtype == np.uint8
    assert matches.offsets[0] == 0
    assert matches.offsets[-1] == len(matches.ids) == len(matches.distances)
    bounds = zip(matches.offsets[:-1], matches.offsets[1:], strict=True)
    pairs = list(zip(matches.ids.tolist(), matches.distances.tolist(), strict=True))
    return [sorted(pairs[start:end]) for start, end in bounds]


def as_oriented_lists(matches: OrientedMatches) -> list[list[tuple[int, int, int]]]:
    """The (id, distance, orientation) of each query, sorted."""
    assert matches.orientations.dtype == np.uint8
    ids, distances = matches.ids.tolist(), matches.distances.tolist()
    triples = list(zip(ids, distances, matches.orientations.tolist(), strict=True))
    bounds = zip(matches.offsets[:-1], matches.offsets[1:], strict=True)
    return [sorted(triples[start:end]) for start, end in bounds]
