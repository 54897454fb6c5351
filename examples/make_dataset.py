"""Make a data set of made-up pictures, with copies of two of them planted, and a list of those two.

    python make_dataset.py FOLDER [--shards 2] [--pictures 50] [--layout webdataset|imagefolder]

FOLDER gets the data set and beside it FOLDER-known.csv, the hashes of the two. 100,000 pictures:

    python make_dataset.py laion --shards 100 --pictures 1000
"""

import argparse
import csv
import io
import json
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw

import safelight

SIZE = (160, 120)
LISTED = (999_999_001, 999_999_002)  # seeds of the two pictures that are on the list
PLANTED = {7: "same", 23: "smaller"}  # number within the last shard: which copy lies there


def picture(seed: int) -> Image.Image:
    """Coloured shapes; no two seeds give pictures that look alike."""
    dice = random.Random(seed)  # noqa: S311 - shapes, no secrets
    image = Image.new("RGB", SIZE, colour(dice))
    draw = ImageDraw.Draw(image)
    for _ in range(24):
        x, y = dice.randrange(SIZE[0]), dice.randrange(SIZE[1])
        wide, high = dice.randrange(8, 60), dice.randrange(8, 60)
        shape = draw.ellipse if dice.random() < 0.5 else draw.rectangle
        shape((x, y, x + wide, y + high), fill=colour(dice))
    return image


def colour(dice: random.Random) -> tuple[int, int, int]:
    """Any colour."""
    return dice.randrange(256), dice.randrange(256), dice.randrange(256)


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """The picture as a JPEG file."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def planted(kind: str) -> bytes:
    """A copy of one of the two pictures that are on the list."""
    if kind == "same":
        return jpeg(picture(LISTED[0]))
    return jpeg(picture(LISTED[1]).resize((128, 96)), quality=70)


def samples(
    shard: int, pictures: int, *, last: bool
) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Key, JPEG and what is known of every picture of a shard."""
    for number in range(pictures):
        key = f"{shard:05}{number:05}"
        kind = PLANTED.get(number) if last else None
        data = planted(kind) if kind else jpeg(picture(shard * 1_000_000 + number))
        about = {"key": key, "url": f"https://pictures.example/{key}.jpg", "caption": "some shapes"}
        yield key, data, about


def write_tar(path: Path, shard: int, pictures: int, *, last: bool) -> None:
    """One WebDataset tar."""
    with tarfile.open(path, "w") as tar:
        for key, data, about in samples(shard, pictures, last=last):
            add(tar, f"{key}.jpg", data)
            add(tar, f"{key}.json", json.dumps(about).encode())
            add(tar, f"{key}.txt", about["caption"].encode())


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """One member."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def write_folder(folder: Path, shard: int, pictures: int, *, last: bool) -> None:
    """A folder of pictures with a metadata.csv, as Hugging Face's imagefolder has it."""
    folder.mkdir()
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, ("file_name", "key", "url", "caption"))
        rows.writeheader()
        for key, data, about in samples(shard, pictures, last=last):
            (folder / f"{key}.jpg").write_bytes(data)
            rows.writerow({"file_name": f"{key}.jpg", **about})


def write_known(path: Path) -> None:
    """The list: hashes of the two pictures."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("pdq", "sha256"))
        for seed in LISTED:
            hashed = safelight.hash_image(jpeg(picture(seed)), isolation="none")
            rows.writerow((hashed.pdq, hashed.sha256))


def main() -> None:
    """Make the data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=50, help="in each shard")
    parser.add_argument("--layout", choices=("webdataset", "imagefolder"), default="webdataset")
    asked = parser.parse_args()
    asked.folder.mkdir()
    for shard in range(asked.shards):
        last = shard == asked.shards - 1
        if asked.layout == "webdataset":
            write_tar(asked.folder / f"shard-{shard:05}.tar", shard, asked.pictures, last=last)
        else:
            write_folder(asked.folder / f"split-{shard}", shard, asked.pictures, last=last)
    write_known(asked.folder.with_name(asked.folder.name + "-known.csv"))


if __name__ == "__main__":
    main()
