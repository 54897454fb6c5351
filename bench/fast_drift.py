"""How far fast-mode hashes of JPEG files are from exact ones, in bits.

    python bench/fast_drift.py FOLDER...     folders of pictures; PNG, WebP are saved as JPEG
    python bench/fast_drift.py               scikit-image's photographs at many sizes

Prints, for quality 80 and above and for 50 to 79: how many, mean, 99 %, most; and each file that is
more than 10 bits off, so that it can be looked at.
"""

import io
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from safelight import hash_image
from safelight.errors import CouldNotCheck

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "camera")
COPIES = 12


def pictures(folders: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every JPEG to measure."""
    chance = random.Random(1)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in (".jpg", ".jpeg"):
                yield str(path), path.read_bytes()
            elif path.suffix.lower() in (".png", ".webp"):
                yield str(path), _as_jpeg(Image.open(path), 1.0, chance)
    for name in PHOTOGRAPHS if not folders else ():
        photo = Image.fromarray(getattr(data, name)())
        for _ in range(COPIES):
            scale = chance.uniform(0.3, 5)
            yield f"{name} × {scale:.2f}", _as_jpeg(photo, scale, chance)


def _as_jpeg(picture: Image.Image, scale: float, chance: random.Random) -> bytes:
    out = io.BytesIO()
    size = max(64, int(picture.width * scale)), max(64, int(picture.height * scale))
    picture.convert("RGBA").convert("RGB").resize(size).save(
        out,
        "JPEG",
        quality=chance.choice([60, 80, 92]),
        subsampling=chance.choice([0, 1, 2]),
        progressive=chance.random() < 0.2,
    )
    return out.getvalue()


def main() -> None:
    """Measure and print."""
    drifts: dict[bool, list[int]] = {True: [], False: []}
    for name, jpeg in pictures([Path(one) for one in sys.argv[1:]]):
        try:
            exact = hash_image(jpeg, isolation="none")
            fast = hash_image(jpeg, mode="fast", isolation="none")
        except CouldNotCheck:
            continue
        bits = (int(exact.pdq, 16) ^ int(fast.pdq, 16)).bit_count()
        if exact.pdq_quality >= 50:
            drifts[exact.pdq_quality >= 80].append(bits)
        if exact.pdq_quality >= 80 and bits > 10:
            print(f"{bits} bits: {name}, {exact.width} × {exact.height}")
    for good, bits_of_all in drifts.items():
        what = "quality 80 and above" if good else "quality 50 to 79"
        if bits_of_all:
            some = np.array(bits_of_all)
            print(
                f"{what}: {len(some)} files, mean {some.mean():.2f}, 99 %"
                f" {np.percentile(some, 99):.0f}, most {some.max()} bits"
            )


if __name__ == "__main__":
    main()
