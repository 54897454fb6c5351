"""PDQ from decoded RGB: Safelight's kernel against `pdqhash`, same process, calls interleaved.

    python bench/hash_decoded.py [FOLDER] [--rounds N]

Without a folder the pictures are photographs that ship with scikit-image, enlarged or cut to the
sizes below. Both sides get the same array; each round takes the shortest of three calls of either,
and the ratio is the median over rounds and photos. Ours gives eight hashes, theirs one. `same`
counts equal hashes and qualities, `slow` pictures for which the kernel took its slow path.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pdqhash
from numpy.typing import NDArray
from PIL import Image

from safelight.kernel import _kernel, isa, pdq_from_rgb

Rgb = NDArray[np.uint8]

MEGAPIXELS = (0.25, 1, 4, 7, 12)
TARGETS = {1: 60, 7: 100, 12: 100}


def sample_photos() -> Iterator[Rgb]:
    """Photographs that ship with scikit-image."""
    from skimage import data  # noqa: PLC0415  only needed without a folder

    yield from (data.astronaut(), data.coffee(), data.chelsea(), data.rocket())


def folder_photos(folder: Path) -> Iterator[Rgb]:
    """Every picture of a folder."""
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            yield np.asarray(image.convert("RGB"))


def at_size(photo: Rgb, megapixels: float) -> Rgb:
    """The photo enlarged or reduced to about that many pixels, its shape kept."""
    scale = (megapixels * 1e6 / (photo.shape[0] * photo.shape[1])) ** 0.5
    size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
    return np.ascontiguousarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))


def seconds(work: Callable[[Rgb], object], photo: Rgb) -> float:
    """The shortest of three calls in a row."""
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        work(photo)
        durations.append(time.perf_counter() - start)
    return min(durations)


def same_hash(photo: Rgb) -> bool:
    """Whether both give the same bits and the same quality."""
    bits, quality = pdqhash.compute(photo)
    ours = pdq_from_rgb(photo)
    return quality == ours.quality and np.array_equal(np.packbits(bits == 1), ours.dihedral[0])


def measure(photos: list[Rgb], rounds: int) -> tuple[float, float, float]:
    """Median ratio, and the medians of both durations in milliseconds."""
    pairs = [
        (seconds(pdqhash.compute, photo), seconds(pdq_from_rgb, photo))
        for _ in range(rounds)
        for photo in photos
    ]
    ratio = statistics.median(peer / ours for peer, ours in pairs)
    peer_ms, ours_ms = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
    return ratio, peer_ms, ours_ms


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    originals = list(folder_photos(arguments.folder) if arguments.folder else sample_photos())
    print(f"isa {isa()}, {len(originals)} photos, {arguments.rounds} rounds")
    print(f"{'Mpx':>6} {'pdqhash ms':>11} {'ours ms':>9} {'ratio':>7} {'target':>7}  same  slow")
    for megapixels in MEGAPIXELS:
        photos = [at_size(photo, megapixels) for photo in originals]
        ratio, peer_ms, ours_ms = measure(photos, arguments.rounds)
        same = sum(same_hash(photo) for photo in photos)
        slow = sum(_kernel.pdq_from_rgb(photo)[2] for photo in photos)
        target = TARGETS.get(megapixels, "")
        print(
            f"{megapixels:>6} {peer_ms:>11.2f} {ours_ms:>9.3f} {ratio:>6.0f}x {target:>7}"
            f"  {same}/{len(photos)}  {slow}/{len(photos)}"
        )


if __name__ == "__main__":
    main()
