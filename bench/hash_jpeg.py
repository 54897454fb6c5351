"""JPEG bytes to hashes, end to end on one core, against Pillow + pdqhash + hashlib.

    python bench/hash_jpeg.py [folder of photos] [--most 12]

Both sides read the same bytes and give PDQ, its quality, MD5, SHA-1, SHA-256; Safelight gives the
eight orientations as well. Processor time of parent and child; the sides take turns photo by photo,
three times each, and run twice in a row each time, since a scan does not change sides between two
photos; the least counts. Printed are medians of the ratio per photo, above 1 when Safelight is
faster. "plain": without progressive photos, which are bound by what no wheel's decoder can skip.
Without a folder, photos from scikit-image are enlarged, with grain, into every size.
"""

import argparse
import hashlib
import io
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import numpy as np
import pdqhash
import psutil
import skimage.data
from PIL import Image

from safelight.examine import Examiner, make_pool, memory_file
from safelight.model import Depth, HashMode, ImageHashes
from safelight.settings import Settings

BUCKETS = ((0.0, 0.5), (0.5, 2.0), (2.0, 6.0), (6.0, 1000.0))  # megapixels
TARGETS = (2.5, 4.5, 5.0, 8.0)  # of exact mode in children
TURNS = 3
IN_A_ROW = 2

Clock = Callable[[], float]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--most", type=int, default=12, help="photos in each size")
    options = parser.parse_args()
    photos = from_folder(options.folder, options.most) if options.folder else made(options.most)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with make_pool(Settings(), children=1) as pool:
        pool.self_test()
        clock = clock_of(psutil.Process().children()[0].pid)
        sides = {
            "exact, child": side(Examiner(pool), HashMode.EXACT),
            "exact, none": side(Examiner(None), HashMode.EXACT),
            "fast, child": side(Examiner(pool), HashMode.FAST),
            "fast, none": side(Examiner(None), HashMode.FAST),
        }
        head(sides)
        for bucket, span, target in zip(photos, BUCKETS, TARGETS, strict=True):
            rows = [(is_progressive(data), ratios(sides, data, clock)) for data in bucket]
            show(span, "all", [row for _, row in rows], target)
            show(span, "plain", [row for progressive, row in rows if not progressive], target)


def side(examiner: Examiner, mode: HashMode) -> Callable[[int], object]:
    """One way for Safelight to hash an open file."""

    def hash_file(fd: int) -> object:
        result = examiner.examine(fd, Depth(mode=mode))
        assert isinstance(result, ImageHashes), result
        return result

    return hash_file


def peer(fd: int) -> object:
    """What a careful user of the reference writes."""
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    digests = [hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256")]
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return digests, pdqhash.compute(np.asarray(image))


def clock_of(child: int) -> Clock:
    """Processor seconds of this process and of the child."""
    path = Path(f"/proc/{child}/schedstat")
    return lambda: time.process_time() + int(path.read_text().split()[0]) / 1e9


def ratios(sides: dict[str, Callable[[int], object]], data: bytes, clock: Clock) -> list[float]:
    """The peer's time on a photo in seconds, then how many times faster each side is."""
    fd = memory_file(data)
    ways = [peer, *sides.values()]
    least = [float("inf")] * len(ways)
    for _ in range(TURNS):
        for place, way in enumerate(ways):
            for _ in range(IN_A_ROW):
                start = clock()
                way(fd)
                least[place] = min(least[place], clock() - start)
    os.close(fd)
    return [least[0], *(least[0] / seconds for seconds in least[1:])]


def is_progressive(data: bytes) -> bool:
    """Whether the file comes in several scans."""
    with Image.open(io.BytesIO(data)) as image:
        return bool(image.info.get("progressive"))


def head(names: Iterable[str]) -> None:
    """Print the first line of the table."""
    columns = " ".join(f"{name:>13}" for name in names)
    print(f"{'Mpx':>7} {'kind':>6} {'photos':>7} {'peer ms':>8} {columns} {'target':>8}")


def show(span: tuple[float, float], kind: str, rows: list[list[float]], target: float) -> None:
    """Print the medians of one size."""
    if not rows:
        return
    low, high = span
    label = f"{low:g}-{high:g}" if high < 1000 else f"> {low:g}"
    peer_ms, *faster = (median(column) for column in zip(*rows, strict=True))
    numbers = " ".join(f"{value:12.1f}x" for value in faster)
    print(f"{label:>7} {kind:>6} {len(rows):7} {peer_ms * 1e3:8.1f} {numbers} {target:7.1f}x")


def from_folder(folder: Path, most: int) -> list[list[bytes]]:
    """JPEG files below the folder that Pillow reads, by size."""
    buckets: list[list[bytes]] = [[] for _ in BUCKETS]
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".jpg", ".jpeg"):
            continue
        data = path.read_bytes()
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                pixels = image.width * image.height / 1e6
        except (OSError, Image.DecompressionBombError):
            continue
        place = next(n for n, (low, high) in enumerate(BUCKETS) if low <= pixels < high)
        if len(buckets[place]) < most:
            buckets[place].append(data)
    return buckets


def made(most: int) -> list[list[bytes]]:
    """Photos from scikit-image in every size, with grain as a camera gives."""
    grain = np.random.default_rng(1)
    names = ("astronaut", "coffee", "chelsea", "rocket")
    buckets: list[list[bytes]] = []
    for pixels in (0.25e6, 1.2e6, 3.8e6, 11e6):
        bucket = []
        for place in range(min(most, 8)):
            image = Image.fromarray(getattr(skimage.data, names[place % 4])())
            scale = (pixels / (image.width * image.height)) ** 0.5
            size = round(image.width * scale), round(image.height * scale)
            large = np.asarray(image.resize(size, Image.Resampling.LANCZOS)).astype(np.int16)
            large += grain.normal(0, 4, large.shape).astype(np.int16)
            out = io.BytesIO()
            picture = Image.fromarray(np.clip(large, 0, 255).astype(np.uint8))
            picture.save(out, "JPEG", quality=85, progressive=place >= 7)
            bucket.append(out.getvalue())
        buckets.append(bucket)
    return buckets


if __name__ == "__main__":
    main()
