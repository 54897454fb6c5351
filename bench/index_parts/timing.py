"""Paired timing: what is compared is asked in turns, in one process, and the ratios are kept."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index_parts.peers import Index

Hashes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Seconds a query, and how many times as long a peer takes: the median, least and most.

    `best` are the seconds of the quickest round, which says most on a machine with other work.
    """

    seconds: float
    best: float = 0.0
    ratio: float = 1.0
    least: float = 1.0
    most: float = 1.0


def one_round(index: Index, queries: Hashes, batch: int, radius: int) -> float:
    """Seconds of one query, when all are asked in batches."""
    start = time.perf_counter()
    for first in range(0, len(queries), batch):
        index.search(queries[first : first + batch], radius)
    return (time.perf_counter() - start) / len(queries)


def compare(
    ours: Index, peers: Sequence[Index], queries: Hashes, batch: int, radius: int, rounds: int
) -> dict[str, Timed]:
    """Everybody's time by name; a peer's ratio is to our time in the same round."""
    every = (ours, *peers)
    one_round(ours, queries, batch, radius)  # pages and tables are warm for all
    times: dict[str, list[float]] = {index.name: [] for index in every}
    for _ in range(rounds):
        for index in every:
            times[index.name].append(one_round(index, queries, batch, radius))
    mine = times[ours.name]
    return {index.name: _timed(times[index.name], mine) for index in every}


def _timed(theirs: list[float], mine: list[float]) -> Timed:
    ratios = [their / my for their, my in zip(theirs, mine, strict=True)]
    return Timed(
        seconds=statistics.median(theirs),
        best=min(theirs),
        ratio=statistics.median(ratios),
        least=min(ratios),
        most=max(ratios),
    )
