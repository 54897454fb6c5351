"""The Hamming search in plain NumPy: what the kernel must answer. Used by tests only."""

import numpy as np
import numpy.typing as npt


def distances(hashes: npt.NDArray[np.uint8], query: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """By how many bits each hash of uint8[n, 32] differs from the query, uint8[32]."""
    bits: npt.NDArray[np.int64] = np.bitwise_count(hashes ^ query).sum(axis=1, dtype=np.int64)
    return bits


def search(
    hashes: npt.NDArray[np.uint8],
    ids: npt.NDArray[np.int64],
    queries: npt.NDArray[np.uint8],
    radius: int,
    limit: int | None = None,
) -> list[list[tuple[int, int]]]:
    """For each query the (id, distance) within the radius, in ascending order of id.

    With a limit only the nearest, and of equally near ones those that come first in `hashes`.
    """
    found = []
    for query in queries:
        distance = distances(hashes, query)
        nearest_first = np.argsort(distance, kind="stable")[:limit]
        found.append(
            sorted((int(ids[i]), int(distance[i])) for i in nearest_first if distance[i] <= radius)
        )
    return found
