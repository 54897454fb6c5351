"""PDQ from decoded RGB: Safelight's kernel against `pdqhash`, same process, calls interleaved.

    python bench/hash_decoded.py [FOLDER] [--rounds N]

Without a folder the pictures are photographs that ship with scikit-image, enlarged or cut to the
sizes below, and then a mixed set: many cuts of them, of 0.2 to 3 Mpx, some of which need the slow
path. Both sides get the same array; each round takes the shortest of three calls of either.
`median` is the median ratio over rounds and photos, `mean` the peer's time for them all over ours.
Ours gives eight hashes, theirs one. `same` counts equal hashes and qualities, `slow` pictures for
which the kernel took its slow path; `slow ms/Mpx` is what these took.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

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


def is_slow(photo: Rgb) -> bool:
    """Whether the kernel takes its slow path."""
    return bool(_kernel.pdq_from_rgb(photo)[2])


class Timing(NamedTuple):
    """One call of either side, in seconds."""

    peer: float
    ours: float
    megapixels: float
    slow: bool


def measure(photos: list[Rgb], rounds: int) -> list[Timing]:
    """Both sides on every photo, in turns."""
    return [
        Timing(
            seconds(pdqhash.compute, photo),
            seconds(pdq_from_rgb, photo),
            photo.shape[0] * photo.shape[1] / 1e6,
            is_slow(photo),
        )
        for _ in range(rounds)
        for photo in photos
    ]


def mixed_cuts(originals: list[Rgb], count: int) -> Iterator[Rgb]:
    """Cuts of the photos at sizes from 0.2 to 3 Mpx, the same at every run."""
    rng = np.random.default_rng(1)
    for i in range(count):
        photo = originals[i % len(originals)]
        share = rng.uniform(0.5, 1)
        height, width = (round(side * share) for side in photo.shape[:2])
        top = rng.integers(photo.shape[0] - height + 1)
        left = rng.integers(photo.shape[1] - width + 1)
        cut = np.ascontiguousarray(photo[top : top + height, left : left + width])
        yield at_size(cut, rng.uniform(0.2, 3))


def report(name: str, photos: list[Rgb], rounds: int, target: float | str) -> None:
    """Measure and print one line."""
    timings = measure(photos, rounds)
    peer, ours = sum(one.peer for one in timings), sum(one.ours for one in timings)
    median = statistics.median(one.peer / one.ours for one in timings)
    slow = [one for one in timings if one.slow]
    slow_speed = sum(one.ours for one in slow) / max(1e-9, sum(one.megapixels for one in slow))
    same = sum(same_hash(photo) for photo in photos)
    print(
        f"{name:>6} {1e3 * peer / len(timings):>11.2f} {1e3 * ours / len(timings):>9.3f}"
        f" {median:>6.0f}x {peer / ours:>6.0f}x {target:>7}"
        f"  {same}/{len(photos)}  {len(slow) // rounds}/{len(photos)}"
        + (f"  {1e3 * slow_speed:.3f}" if slow else "")
    )


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mixed", type=int, default=120, help="pictures in the mixed set")
    arguments = parser.parse_args()
    originals = list(folder_photos(arguments.folder) if arguments.folder else sample_photos())
    print(f"isa {isa()}, {len(originals)} photos, {arguments.rounds} rounds")
    print(
        f"{'Mpx':>6} {'pdqhash ms':>11} {'ours ms':>9} {'median':>7} {'mean':>7} {'target':>7}"
        "  same  slow  slow ms/Mpx"
    )
    for megapixels in MEGAPIXELS:
        photos = [at_size(photo, megapixels) for photo in originals]
        report(f"{megapixels}", photos, arguments.rounds, TARGETS.get(megapixels, ""))
    report("mixed", list(mixed_cuts(originals, arguments.mixed)), 1, "")


if __name__ == "__main__":
    main()
