"""How fast a data-set audit is, and whether its memory is flat.

    python bench/dataset.py                    100,000 small pictures in WebDataset tars
    python bench/dataset.py --pictures 5000    fewer
    python bench/dataset.py --big 10           memory over one tar of so many GB as well

For 1 and 2 jobs, in one run: items a second, start-up left out; the audit's own resident memory
(children left out) after a tenth of the shards and at the end; and that every planted picture was
found with its URL. `--big` makes a tar whose pictures are the same few bytes over and over, on
disk that a sparse file does not take, and watches the memory of the audit and of its child.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from safelight import hash_image

IN_SHARD = 1000
PLANTED_EVERY = 997
SIDE = 64
BIG_MEMBER = 64 << 20


def picture(random: np.random.Generator) -> bytes:
    """A small JPEG of smooth patches; no two alike."""
    patches = random.integers(0, 256, (8, 8, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(patches).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(out, "JPEG")
    return out.getvalue()


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Put one member into the tar."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def make_shards(folder: Path, pictures: int, planted: bytes) -> list[str]:
    """WebDataset tars with planted copies; the URLs of those."""
    random = np.random.default_rng(8)
    urls = []
    for first in range(0, pictures, IN_SHARD):
        with tarfile.open(folder / f"shard-{first // IN_SHARD:05}.tar", "w") as tar:
            for number in range(first, min(first + IN_SHARD, pictures)):
                url = f"https://pictures.example/{number:09}"
                is_planted = number % PLANTED_EVERY == PLANTED_EVERY - 1
                if is_planted:
                    urls.append(url)
                add(tar, f"{number:09}.jpg", planted if is_planted else picture(random))
                add(tar, f"{number:09}.json", json.dumps({"url": url}).encode())
    return urls


def make_big(path: Path, gigabytes: float) -> None:
    """A tar with a few small members and large holes between them."""
    random = np.random.default_rng(9)
    size = int(gigabytes * 1e9)
    with path.open("wb") as file:
        for number in range(max(1, size // BIG_MEMBER)):
            small = tarfile.TarInfo(f"{number:06}.jpg")
            data = picture(random)
            small.size = len(data)
            file.write(small.tobuf() + data + bytes(-len(data) % 512))
            hole = tarfile.TarInfo(f"{number:06}.npy")
            hole.size = BIG_MEMBER
            file.write(hole.tobuf())
            file.seek(BIG_MEMBER, os.SEEK_CUR)
        file.write(bytes(1024))


def make_hashes(path: Path, planted: bytes) -> None:
    """A thousand random PDQ hashes, and those of the planted picture."""
    random = np.random.default_rng(6)
    known = hash_image(planted, isolation="none")
    rows = [f"{row.tobytes().hex()}," for row in random.integers(0, 256, (1000, 32), np.uint8)]
    path.write_text("\n".join(["pdq,sha256", f"{known.pdq},{known.sha256}", *rows]))


def audit(
    data: Path, hashes: Path, result: Path, jobs: int, shards: int
) -> tuple[float, dict[str, list[float]]]:
    """Run an audit; wall seconds, and its own and its children's memory (MB) as it went."""
    command = [sys.executable, "-m", "safelight.cli", "scan", str(data), "--dataset"]
    command += ["--hashes", str(hashes), "--result", str(result), "--jobs", str(jobs)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--format", "jsonl"],
        env={**os.environ, "SAFELIGHT_HOME": str(result.parent / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    seen: dict[str, list[float]] = {"own": [], "children": []}
    while process.poll() is None:
        time.sleep(0.25)
        try:
            this = psutil.Process(process.pid)
            own = this.memory_info().rss / 1e6
            if not own:  # it has ended
                break
            seen["own"].append(own)
            children = [child.memory_info().rss / 1e6 for child in this.children()]
            seen["children"].append(max(children, default=0.0))
        except psutil.Error:
            break
    process.wait()
    assert process.returncode in (0, 1, 2), process.returncode
    assert len(list(result.glob("part-*"))) == shards
    return time.perf_counter() - began, seen


def found_urls(result: Path) -> list[str]:
    """The URLs of what was found."""
    return [
        row["manifest"]["url"]
        for part in sorted(result.glob("part-*.jsonl"))
        for row in map(json.loads, part.open(encoding="utf-8"))
        if row["matches"]
    ]


def rates(folder: Path, pictures: int) -> None:
    """Print items a second and memory."""
    planted = picture(np.random.default_rng(7))
    hashes = folder / "hashes.csv"
    make_hashes(hashes, planted)
    for name, count in (("tiny", 1), ("set", pictures)):
        (folder / name).mkdir()
        urls = make_shards(folder / name, count, planted)
    shards = -(-pictures // IN_SHARD)
    for jobs in (1, 2):
        start_up, _ = audit(folder / "tiny", hashes, folder / f"tiny-{jobs}", jobs, 1)
        result = folder / f"result-{jobs}"
        seconds, memory = audit(folder / "set", hashes, result, jobs, shards)
        assert found_urls(result) == urls
        own = memory["own"]
        early = own[len(own) // 10]
        print(
            f"{jobs} job(s): {pictures / (seconds - start_up):,.0f} pictures/s with their sidecars,"
            f" {len(urls)} planted found; own memory {early:.0f} MB after a tenth of the time,"
            f" {own[-1]:.0f} MB at the end"
        )


def big(folder: Path, gigabytes: float) -> None:
    """Print memory over one large tar."""
    planted = picture(np.random.default_rng(7))
    make_hashes(folder / "hashes.csv", planted)
    (folder / "big").mkdir()
    make_big(folder / "big" / "big.tar", gigabytes)
    size = (folder / "big" / "big.tar").stat().st_size / 1e9
    seconds, memory = audit(folder / "big", folder / "hashes.csv", folder / "result", 1, 1)
    print(
        f"one tar of {size:.1f} GB: {seconds:.0f} s; most memory {max(memory['own']):.0f} MB of its"
        f" own, {max(memory['children']):.0f} MB of its child"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--big", type=float, metavar="GB", help="a tar of so many GB as well")
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name:
        rates(Path(name), asked.pictures)
    if asked.big:
        with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name:
            big(Path(name), asked.big)


if __name__ == "__main__":
    main()
