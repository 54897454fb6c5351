"""Hashes to search: random ones, those of pieces of ordinary photographs, and lopsided sets."""

import io
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image

from safelight.kernel import pdq_from_gray

Hashes = NDArray[np.uint8]

PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "rocket", "brick", "grass", "gravel")
SMALLEST_PIECE = 96  # pixels
CLUSTER_BITS = 3
CLUSTER_SHARE = 10  # one hash in so many belongs to the one cluster
GOOD_QUALITY = 50


def uniform(count: int, seed: int) -> Hashes:
    """Every bit by chance."""
    return np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)


def photographs(count: int, seed: int) -> Hashes:
    """PDQ hashes of pieces of photographs, cut at random places and sizes, some of them turned.

    Pieces overlap, so that many hashes are near each other, as copies of pictures are.
    """
    hashes = np.empty((count, 32), np.uint8)
    pieces = _pieces(np.random.default_rng(seed))
    for number, (plane, turn) in enumerate(islice(pieces, count)):
        hashes[number] = _turned_hash(plane, turn)
    return hashes


def lopsided(count: int, seed: int) -> Hashes:
    """Random hashes; one in ten is the first one, or is within three bits of it."""
    hashes = uniform(count, seed)
    rng = np.random.default_rng(seed + 1)
    members = np.arange(0, count, CLUSTER_SHARE)
    hashes[members] = hashes[0]
    for number in members[1::2]:
        hashes[number] = flipped(hashes[0], int(rng.integers(1, CLUSTER_BITS + 1)), rng)
    return hashes


KINDS: dict[str, Callable[[int, int], Hashes]] = {
    "uniform": uniform,
    "photographs": photographs,
    "lopsided": lopsided,
}


def flipped(hash_: Hashes, bits: int, rng: np.random.Generator) -> Hashes:
    """The hash with so many of its bits, by chance, turned."""
    mask = np.zeros(256, np.uint8)
    mask[rng.permutation(256)[:bits]] = 1
    return hash_ ^ np.packbits(mask)


def queries_for(hashes: Hashes, count: int, radius: int, seed: int) -> Hashes:
    """Random hashes, and copies of listed ones 0 to `radius` bits away, in turn."""
    rng = np.random.default_rng(seed)
    queries = uniform(count, seed)
    for number in range(0, count, 2):
        bits = number * radius // max(count - 1, 1)
        queries[number] = flipped(hashes[rng.integers(len(hashes))], bits, rng)
    return queries


def edited_photographs(hashes: Hashes, count: int, seed: int) -> Hashes:
    """Hashes of edited pieces, whose originals take the places of some of `hashes`.

    In turn a piece is saved as a JPEG of quality 40, made half as large, made brighter, or cut a
    little; every fifth query is that of a piece that is not listed.
    """
    rng = np.random.default_rng(seed)
    queries, places = np.empty((count, 32), np.uint8), rng.permutation(len(hashes))
    for number, (piece, turn) in enumerate(islice(_pieces(rng), count)):
        plane = piece
        if number % 5 < len(EDITS):
            hashes[places[number]] = _turned_hash(piece, turn)
            plane = EDITS[number % 5](piece)
        queries[number] = _turned_hash(plane, turn)
    return queries


def _as_jpeg(plane: Hashes) -> Hashes:
    file = io.BytesIO()
    Image.fromarray(plane).save(file, "JPEG", quality=40)
    return np.array(Image.open(file))


def _half_as_large(plane: Hashes) -> Hashes:
    height, width = plane.shape
    return np.array(Image.fromarray(plane).resize((width // 2, height // 2)))


def _brighter(plane: Hashes) -> Hashes:
    return np.minimum(plane.astype(np.int64) * 5 // 4, 255).astype(np.uint8)


def _cut(plane: Hashes) -> Hashes:
    return np.ascontiguousarray(plane[1:-1, 1:-1])


EDITS = (_as_jpeg, _half_as_large, _brighter, _cut)


def _pieces(rng: np.random.Generator) -> Iterator[tuple[Hashes, int]]:
    """Pieces whose hashes say enough, without end, each with one of the eight orientations."""
    planes = [_grey(getattr(skimage.data, name)()) for name in PHOTOGRAPHS]
    while True:
        plane = _piece(planes[rng.integers(len(planes))], rng)
        if pdq_from_gray(plane).quality >= GOOD_QUALITY:
            yield plane, int(rng.integers(8))


def _turned_hash(plane: Hashes, turn: int) -> Hashes:
    return pdq_from_gray(plane).dihedral[turn]


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if picture.ndim == 2:
        return picture
    return np.ascontiguousarray(picture[..., :3].mean(axis=2).astype(np.uint8))


def _piece(plane: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    height = int(rng.integers(SMALLEST_PIECE, min(plane.shape[0], 2 * SMALLEST_PIECE)))
    width = int(rng.integers(SMALLEST_PIECE, min(plane.shape[1], 2 * SMALLEST_PIECE)))
    top = int(rng.integers(plane.shape[0] - height))
    left = int(rng.integers(plane.shape[1] - width))
    return np.ascontiguousarray(plane[top : top + height, left : left + width])
