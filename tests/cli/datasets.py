"""Small data sets of made-up landscapes, in the layouts that people use, and their results."""

import csv
import io
import json
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from safelight import hash_image
from safelight.demo import landscape

KNOWN = 900  # the landscape that is on the list


@cache
def jpeg(seed: int) -> bytes:
    out = io.BytesIO()
    landscape(seed).resize((240, 160)).save(out, "JPEG", quality=85)
    return out.getvalue()


def write_known(path: Path) -> Path:
    hashed = hash_image(jpeg(KNOWN), isolation="none")
    path.write_text(f"pdq,sha256\n{hashed.pdq},{hashed.sha256}\n")
    return path


def seeds_of(shard: int, count: int) -> list[int]:
    """The pictures of a shard; the second of shard 1 is the known one."""
    seeds = [shard % 3 * 10 + number % 5 for number in range(count)]
    if shard == 1:
        seeds[1] = KNOWN
    return seeds


def tar_of(members: Iterable[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def webdataset_shard(shard: int, count: int = 4) -> bytes:
    members = []
    for number, seed in enumerate(seeds_of(shard, count)):
        key = f"{shard:03}{number:03}"
        about = {"url": f"https://pictures.example/{key}", "caption": "hills", "width": 240}
        # the sidecar now before the picture, now behind
        files = [(f"{key}.jpg", jpeg(seed)), (f"{key}.json", json.dumps(about).encode())]
        members += files if number % 2 else reversed(files)
        members.append((f"{key}.txt", b"hills"))
    return tar_of(members)


def write_webdataset(folder: Path, shards: int = 3, count: int = 4) -> Path:
    folder.mkdir()
    for shard in range(shards):
        (folder / f"shard-{shard:05}.tar").write_bytes(webdataset_shard(shard, count))
    return folder


def write_pictures(folder: Path, count: int = 4) -> list[str]:
    """The pictures of shard 1 as files; their names."""
    folder.mkdir(exist_ok=True)
    names = []
    for number, seed in enumerate(seeds_of(1, count)):
        names.append(f"{number:03}.jpg")
        (folder / names[-1]).write_bytes(jpeg(seed))
    return names


def write_image_table(path: Path, rows: Sequence[Mapping[str, Any]], *, in_group: int = 3) -> None:
    """A Parquet file as Hugging Face writes them: a column of `{bytes, path}`."""
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema({"image": image, "url": pa.string(), "caption": pa.string()})
    pq.write_table(pa.Table.from_pylist(list(rows), schema), path, row_group_size=in_group)


ABOUT = [
    {"file_name": "000.jpg", "url": "https://a.example/0", "caption": "hills, again", "id": 7},
    {"file_name": "001.jpg", "url": "https://a.example/1", "caption": 'a "lake"', "id": 8},
    {"file_name": "gone.jpg", "url": "https://a.example/2", "caption": "lost", "id": 9},
    {"file_name": None, "url": "https://a.example/3", "caption": "nothing", "id": 10},
    {"file_name": "001.jpg", "url": "https://b.example/1", "caption": "again", "id": 11},
]


def write_manifest(path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(ABOUT), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ABOUT))
    else:
        with path.open("w", newline="") as file:
            rows = csv.DictWriter(file, list(ABOUT[0]))
            rows.writeheader()
            rows.writerows(ABOUT)
    return path


def rows_in(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for part in sorted(folder.glob("part-*.jsonl"))
        for line in part.read_text().splitlines()
    ]


def manifests(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Verdict and what is carried, by file or member name."""
    return {
        row["derivation"][-1]["name"] if "derivation" in row else os.path.basename(row["path"]): (
            row["verdict"],
            row.get("manifest"),
        )
        for row in rows
    }


def without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
