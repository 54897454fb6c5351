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

    With a limit only the nearest, and of equally near ones those with the smallest id.
    """
    found = []
    for query in queries:
        distance = distances(hashes, query)
        nearest_first = np.lexsort((ids, distance))[:limit]
        found.append(
            sorted((int(ids[i]), int(distance[i])) for i in nearest_first if distance[i] <= radius)
        )
    return found


def search_oriented(
    hashes: npt.NDArray[np.uint8],
    ids: npt.NDArray[np.int64],
    queries: npt.NDArray[np.uint8],
    radius: int,
    limit: int | None = None,
) -> list[list[tuple[int, int, int]]]:
    """For each query of uint8[q, k, 32] the (id, distance, which of the k), in order of id."""
    found = []
    for query in queries:
        every = np.array([distances(hashes, one) for one in query])
        distance, orientation = every.min(axis=0), every.argmin(axis=0)
        nearest_first = np.lexsort((ids, distance))[:limit]
        found.append(
            sorted(
                (int(ids[i]), int(distance[i]), int(orientation[i]))
                for i in nearest_first
                if distance[i] <= radius
            )
        )
    return found
