"""A made-up collection of ordinary pictures: known ones, changed copies, strangers, broken files.

The pictures are landscapes and patterns computed here, and, where the package scikit-image is
installed, its photographs (a coffee cup, a cat, a rocket…).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance

from safelight.files import PRIVATE_FOLDER, disk_errors

Plane = npt.NDArray[np.float64]

SIZE = (960, 640)  # width, height
LANDSCAPES = 6
PHOTOGRAPHS = ("coffee", "chelsea", "rocket", "astronaut")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFolders:
    """Where the demo lies: `originals` become the hash list, `collection` is scanned."""

    originals: Path
    collection: Path


def make_demo(folder: Path) -> DemoFolders:
    """Write the demo pictures below `folder`, anew each time; return where they are."""
    folders = DemoFolders(originals=folder / "originals", collection=folder / "collection")
    with disk_errors(folder):
        for path in (folders.originals, folders.collection):
            path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        known = dict(_known_pictures())
        for name, picture in known.items():
            picture.save(folders.originals / f"{name}.png")
        _write_collection(folders.collection, known)
    return folders


def _write_collection(folder: Path, known: dict[str, Image.Image]) -> None:
    changes = list(CHANGES.items())
    for number, (name, picture) in enumerate(sorted(known.items())):
        for label, change in (changes[number % len(changes)], changes[(number + 4) % len(changes)]):
            change(picture, folder / f"{name}-{label}")
    first = next(iter(known.values()))
    first.save(folder / "same-file.png")
    for seed in range(100, 106):
        landscape(seed).save(folder / f"stranger-{seed}.jpg", quality=88)
    whole = (folder / "stranger-100.jpg").read_bytes()
    (folder / "cut-off.jpg").write_bytes(whole[: len(whole) // 3])
    (folder / "not-a-picture.jpg").write_bytes(b"these bytes are no picture\n" * 20)
    (folder / "empty.png").write_bytes(b"")


def _known_pictures() -> Iterator[tuple[str, Image.Image]]:
    for seed in range(LANDSCAPES):
        yield f"landscape-{seed}", landscape(seed)
    yield from _photographs()


def _photographs() -> Iterator[tuple[str, Image.Image]]:
    try:
        from skimage import data  # noqa: PLC0415 - the demo extra
    except ImportError:
        return
    for name in PHOTOGRAPHS:
        yield name, Image.fromarray(getattr(data, name)())


def landscape(seed: int) -> Image.Image:
    """A computed landscape: sky, sun, ridges and trees; the same for the same seed."""
    random = np.random.default_rng(seed)
    width, height = SIZE
    down, across = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    top, bottom = random.uniform(40, 250, (2, 3))
    pixels = top + (bottom - top) * down[..., None] ** random.uniform(0.5, 2)
    sun = random.uniform(0.1, 0.9), random.uniform(0.1, 0.4)
    glow = np.exp(-((across - sun[0]) ** 2 + (down - sun[1]) ** 2) / random.uniform(0.004, 0.03))
    pixels += glow[..., None] * [120, 100, 60]
    for depth in np.linspace(0.35, 0.85, int(random.integers(4, 7))):
        ridge = depth + _ridge(random, across[0])
        mask = down > ridge[None, :]
        pixels[mask] = random.uniform(10, 220, 3) * (1.1 - 0.6 * depth)
    grain = random.normal(0, 4, (height, width, 1))
    picture = Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))
    _plant_trees(picture, random)
    return picture


def _ridge(random: np.random.Generator, across: Plane) -> Plane:
    ridge = np.zeros_like(across)
    for wave in range(1, 9):
        ridge += random.normal(0, 0.09 / wave) * np.sin(wave * 7 * across + random.uniform(0, 6))
    return ridge


def _plant_trees(picture: Image.Image, random: np.random.Generator) -> None:
    draw = ImageDraw.Draw(picture)
    width, height = SIZE
    for _ in range(int(random.integers(10, 40))):
        x, foot = random.uniform(0, width), random.uniform(0.6, 1.0) * height
        tall = random.uniform(0.05, 0.25) * height
        colour = tuple(int(part) for part in random.uniform(0, 120, 3))
        draw.polygon([(x, foot - tall), (x - tall / 4, foot), (x + tall / 4, foot)], fill=colour)


def _smaller(picture: Image.Image, path: Path) -> None:
    half = (picture.width // 2, picture.height // 2)
    picture.resize(half).save(path.with_suffix(".jpg"), quality=60)


def _mirrored(picture: Image.Image, path: Path) -> None:
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path.with_suffix(".webp"))


def _turned(picture: Image.Image, path: Path) -> None:
    picture.transpose(Image.Transpose.ROTATE_90).save(path.with_suffix(".jpg"))


def _grey(picture: Image.Image, path: Path) -> None:
    picture.convert("L").save(path.with_suffix(".png"))


def _brighter(picture: Image.Image, path: Path) -> None:
    ImageEnhance.Brightness(picture).enhance(1.25).save(path.with_suffix(".jpg"))


def _captioned(picture: Image.Image, path: Path) -> None:
    copy = picture.copy()
    ImageDraw.Draw(copy).text((20, copy.height - 40), "a caption", fill="white", font_size=24)
    copy.save(path.with_suffix(".bmp"))


def _few_colours(picture: Image.Image, path: Path) -> None:
    picture.quantize(64).save(path.with_suffix(".gif"))


CHANGES: dict[str, Callable[[Image.Image, Path], None]] = {
    "smaller": _smaller,
    "mirrored": _mirrored,
    "turned": _turned,
    "grey": _grey,
    "brighter": _brighter,
    "captioned": _captioned,
    "few-colours": _few_colours,
}
