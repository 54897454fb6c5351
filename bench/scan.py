"""How well a scan uses the processors, what it adds to decoding, and whether its memory is flat.

    python bench/scan.py [FOLDER]            a folder of pictures; without one they are made
    python bench/scan.py --files 100000      memory over that many small files as well

For a set of pictures, in one run:
  busy       processor time of the scan and its children, as a share of 2 cores × wall time
  overhead   processor time of scanning with 1 job, its child included, over that of hashing the
             same files in a plain loop in one process (no child, no matching); both warm
  memory     the scan's own resident memory after 10 % of the files and at the end
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

import safelight
from safelight import hash_image
from safelight.demo import landscape

PICTURES = 160
ROUNDS = 5
MEGAPIXELS = (0.5, 1.2, 3.0, 8.0)


def make_pictures(folder: Path) -> None:
    """JPEG landscapes of several sizes, each with its own grain."""
    random = np.random.default_rng(5)
    for number in range(PICTURES):
        picture = landscape(number % 20)
        scale = (
            MEGAPIXELS[number % len(MEGAPIXELS)] * 1e6 / (picture.width * picture.height)
        ) ** 0.5
        size = int(picture.width * scale), int(picture.height * scale)
        pixels = np.asarray(picture.resize(size), np.int16)
        pixels = pixels + random.integers(-8, 9, (*pixels.shape[:2], 1), np.int16)
        grained = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        grained.save(folder / f"{number:04}.jpg", quality=88)


def make_hashes(path: Path) -> None:
    """A thousand random PDQ hashes, which nothing matches: the search is measured elsewhere."""
    random = np.random.default_rng(6)
    hashes = random.integers(0, 256, (1000, 32), np.uint8)
    path.write_text("\n".join(row.tobytes().hex() for row in hashes))


def scan(tree: Path, hashes: Path, home: Path, jobs: int) -> tuple[float, float]:
    """Run a scan; return wall seconds and processor seconds, children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    command = [sys.executable, "-m", "safelight.cli", "scan", str(tree), "--hashes", str(hashes)]
    done = subprocess.run(
        [*command, "--jobs", str(jobs)],
        env={**os.environ, "SAFELIGHT_HOME": str(home)},
        capture_output=True,
        check=False,
    )
    wall = time.perf_counter() - began
    assert done.returncode in (0, 1, 2), done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used


def plain_loop(files: list[Path]) -> float:
    """Processor seconds for hashing the files here, one after the other."""
    before = time.process_time()
    for file in files:
        hash_image(file, isolation="none")
    return time.process_time() - before


def warm_scan(tree: Path, hashes: Path) -> float:
    """Processor seconds of scanning in this process with one job, its child included."""
    this = psutil.Process()
    before = {child.pid: _seconds(child) for child in this.children()}
    began = time.process_time()
    for _result in safelight.scan([tree], hashes=hashes, jobs=1):
        pass
    here = time.process_time() - began
    return here + sum(_seconds(child) - before.get(child.pid, 0.0) for child in this.children())


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def start_up(hashes: Path, home: Path, folder: Path, jobs: int) -> tuple[float, float]:
    """What a scan of a single tiny file costs: starting, loading the hashes."""
    tiny = folder / "tiny"
    tiny.mkdir(exist_ok=True)
    for number in range(jobs):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tiny / f"{number}.png")
    return min(scan(tiny, hashes, home, jobs) for _ in range(2))


def processors(tree: Path, hashes: Path, folder: Path) -> None:
    """Print how busy two jobs keep two cores, and what a scan costs beyond decoding."""
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
    home = folder / "home"
    cores = min(2, len(os.sched_getaffinity(0)))
    plain_loop(files)  # loads libraries and warms the page cache
    warm_scan(tree, hashes)
    start_two = start_up(hashes, home, folder, cores)
    overheads, busy = [], []
    for _ in range(ROUNDS):  # in turn, so that a busy moment of the machine hits all
        alone = plain_loop(files)
        overheads.append(warm_scan(tree, hashes) / alone - 1)
        wall, used = scan(tree, hashes, home, cores)
        busy.append((used - start_two[1]) / (wall - start_two[0]) / cores)
    print(f"{len(files)} files, {alone:.1f} s to hash them in a plain loop; {ROUNDS} rounds")
    print(f"start-up of the command with {cores} jobs: {start_two[0]:.2f} s (left out)")
    print(f"scan with 1 job, overhead: {_spread(overheads)}   (goal: under 5 %)")
    print(f"scan with {cores} jobs, cores busy: {_spread(busy)}   (goal: over 90 %)")


def _spread(values: list[float]) -> str:
    return f"median {statistics.median(values):.1%} [{min(values):.1%} … {max(values):.1%}]"


def memory(count: int, hashes: Path, folder: Path) -> None:
    """Print the scan's own memory early and late over many small files."""
    tree = folder / "many"
    tree.mkdir()
    random = np.random.default_rng(7)
    for number in range(count):
        pixels = random.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(tree / f"{number:06}.bmp")
    command = [sys.executable, "-m", "safelight.cli", "scan", str(tree), "--hashes", str(hashes)]
    process = subprocess.Popen(
        [*command, "--output", "json"],
        env={**os.environ, "SAFELIGHT_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    began = time.perf_counter()
    sizes = {}
    for number, _line in enumerate(process.stdout, start=1):
        if number in (count // 10, count // 2, count - 1):
            sizes[number] = _resident_mb(process.pid)
    process.wait()
    rate = count / (time.perf_counter() - began)
    shown = ", ".join(f"{size:.0f} MB after {number:,}" for number, size in sizes.items())
    print(f"{count:,} small files: {shown} files; {rate:,.0f} files/s")


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="pictures to scan")
    parser.add_argument("--files", type=int, default=5000, help="how many small files for memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="safelight-bench-") as name:
        folder = Path(name)
        tree = arguments.folder
        if tree is None:
            tree = folder / "pictures"
            tree.mkdir()
            make_pictures(tree)
        make_hashes(folder / "hashes.txt")
        processors(tree, folder / "hashes.txt", folder)
        memory(arguments.files, folder / "hashes.txt", folder)


if __name__ == "__main__":
    main()
