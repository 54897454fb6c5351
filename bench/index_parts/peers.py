"""Other indexes of 256-bit hashes, each behind the same three functions."""

from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray
from threatexchange.signal_type.pdq.pdq_index import PDQIndex
from usearch.index import MetricKind, search

from safelight.kernel.index import HashIndex

Hashes = NDArray[np.uint8]
Pairs = list[tuple[int, int]]

NEIGHBOURS = 10  # that usearch is asked for: it has no search by radius


class Index(Protocol):
    """A built index. `pairs` are the sorted (id, distance) of one query; None where it has none."""

    name: str

    def search(self, queries: Hashes, radius: int) -> Any:
        """Search in the index's own way; what comes back is its own too."""

    def pairs(self, query: Hashes, radius: int) -> Pairs | None:
        """The sorted hits of one query."""


class Safelight:
    """Ours."""

    name = "safelight"

    def __init__(self, hashes: Hashes) -> None:
        self.index = HashIndex.build(hashes, np.arange(len(hashes), dtype=np.int64))

    def search(self, queries: Hashes, radius: int) -> Any:
        """In its own way."""
        return self.index.search(queries, radius)

    def pairs(self, query: Hashes, radius: int) -> Pairs:
        """The sorted hits of one query."""
        found = self.index.search(query, radius)
        return sorted(zip(found.ids.tolist(), found.distances.tolist(), strict=True))


class FaissFlat:
    """Every hash is compared with every query."""

    name = "faiss flat"

    def __init__(self, hashes: Hashes) -> None:
        self.index = faiss.IndexBinaryFlat(256)
        self.index.add(hashes)

    def search(self, queries: Hashes, radius: int) -> Any:
        """In its own way."""
        return self.index.range_search(queries, radius + 1)  # nearer than its radius

    def pairs(self, query: Hashes, radius: int) -> Pairs:
        """The sorted hits of one query."""
        _, distances, ids = self.search(query.reshape(1, 32), radius)
        return sorted(zip(ids.tolist(), distances.astype(int).tolist(), strict=True))


class FaissMultiHash(FaissFlat):
    """Sixteen hash maps of 16 bits, one bit flipped: what threatexchange uses; exact to 31 bits."""

    name = "faiss MultiHash"

    def __init__(self, hashes: Hashes) -> None:
        self.index = faiss.IndexBinaryMultiHash(256, 16, 16)
        self.index.nflip = 1
        self.index.add(hashes)


class ThreatExchange:
    """The index that Hasher-Matcher-Actioner matches PDQ with, asked as it asks."""

    name = "threatexchange"

    def __init__(self, hashes: Hashes) -> None:
        self.index = PDQIndex((one.tobytes().hex(), number) for number, one in enumerate(hashes))

    def search(self, queries: Hashes, radius: int) -> Any:
        """It searches within 31 bits, whatever the radius."""
        return [self.index.query(query.tobytes().hex()) for query in queries]

    def pairs(self, query: Hashes, radius: int) -> Pairs:
        """The sorted hits of one query."""
        found = self.index.query(query.tobytes().hex())
        return sorted((one.metadata, one.similarity_info.distance) for one in found)


class UsearchExact:
    """Nearest neighbours, exactly: the ten nearest of every query, since it knows no radius."""

    name = "usearch exact"

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = hashes

    def search(self, queries: Hashes, radius: int) -> Any:
        """In its own way."""
        return search(self.hashes, queries, NEIGHBOURS, MetricKind.Hamming, exact=True, threads=1)

    def pairs(self, query: Hashes, radius: int) -> None:
        """The sorted hits of one query."""
        return


PEERS = {one.name: one for one in (FaissFlat, FaissMultiHash, ThreatExchange, UsearchExact)}
