"""Saving and opening an index: whole files, damaged files, killed writers, full disks."""

import os
import random
import resource
import signal
import stat
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from index_samples import as_lists, numbered, random_hashes

from safelight.errors import BadPath, CorruptFile, DiskFull
from safelight.kernel import index_file
from safelight.kernel.index import HashIndex

HEAD = 16  # bytes before the hashes of a block


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "index"
    HashIndex.build(random_hashes(100), numbered(100, -50)).save(path)
    return path


def damage(path: Path, at: int, value: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= value
    path.write_bytes(data)


# ---- Whole files ----


@pytest.mark.parametrize("count", [0, 1, 65_536, 65_537])
def test_an_opened_index_is_the_saved_one(tmp_path: Path, count: int) -> None:
    hashes = random_hashes(count)
    ids = np.random.default_rng(3).permutation(count) - 7
    HashIndex.build(hashes, ids).save(tmp_path / "index")
    index = HashIndex.open(str(tmp_path / "index"))
    assert len(index) == count
    expected = [[(number, 0)] for number in ids[::997].tolist()]
    assert as_lists(index.search(hashes[::997], 0)) == expected


def test_an_opened_index_can_be_changed_and_saved_again(saved: Path) -> None:
    index = HashIndex.open(saved)
    new = random_hashes(1, 2)
    index.add(new, np.array([1000]))
    assert index.remove(numbered(10, -50)) == 10
    index.save(saved)
    again = HashIndex.open(saved)
    assert len(again) == 91
    queries = np.vstack([new, random_hashes(100)[[9, 10]]])
    assert as_lists(again.search(queries, 0)) == [[(1000, 0)], [], [(-40, 0)]]


def test_the_layout_is_as_documented(tmp_path: Path) -> None:
    hashes = random_hashes(2)
    HashIndex.build(hashes, np.array([5, -1])).save(tmp_path / "index")
    page = struct.pack("<8sIIQQ", b"SLINDEX\n", 1, 256, 2, 1).ljust(4092, b"\0")
    body = hashes.tobytes() + struct.pack("<qq", 5, -1)
    head = struct.pack("<III", 2, 0, zlib.crc32(body))
    parts = [page, struct.pack("<I", zlib.crc32(page)), head, struct.pack("<I", zlib.crc32(head))]
    assert (tmp_path / "index").read_bytes() == b"".join(parts) + body


def test_only_the_owner_may_read_it_and_nothing_else_is_left(saved: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert list(saved.parent.iterdir()) == [saved]


def test_saving_in_two_threads_leaves_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "index"
    indexes = [HashIndex.build(random_hashes(n), numbered(n)) for n in (3000, 5000)]

    def save(index: HashIndex) -> None:
        for _ in range(20):
            index.save(path)

    threads = [threading.Thread(target=save, args=(index,)) for index in indexes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(HashIndex.open(path)) in (3000, 5000)
    assert list(tmp_path.iterdir()) == [path]


def test_a_temporary_file_that_a_killed_process_left_is_used_again(saved: Path) -> None:
    left = saved.with_name(".index.tmp")
    left.write_bytes(b"x" * 100_000)
    left.chmod(0o644)
    HashIndex.open(saved).save(saved)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert len(HashIndex.open(saved)) == 100
    assert not left.exists()


# ---- Damaged files ----


def test_a_changed_byte_anywhere_is_noticed(saved: Path) -> None:
    whole = saved.read_bytes()
    first = index_file.PAGE_BYTES + HEAD
    rng = random.Random(8)
    places = [*range(60), *range(4080, first), *rng.sample(range(60, len(whole)), 200)]
    for at in places:
        for value in (1 << rng.randrange(8), 255):
            damage(saved, at, value)
            with pytest.raises(CorruptFile, match=r"build the index anew\.$"):
                HashIndex.open(saved)
            saved.write_bytes(whole)
    assert len(HashIndex.open(saved)) == 100


def test_a_file_cut_short_anywhere_is_noticed(saved: Path) -> None:
    whole = saved.read_bytes()
    rng = random.Random(9)
    sizes = [0, 1, 7, 8, 4095, 4096, 4097, 4111, 4112, 4113, len(whole) - 1]
    for size in sizes + rng.sample(range(len(whole)), 50):
        saved.write_bytes(whole[:size])
        with pytest.raises(CorruptFile, match=r"build the index anew\.$"):
            HashIndex.open(saved)


def test_more_than_was_written_is_noticed(saved: Path) -> None:
    with saved.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(CorruptFile, match="does not hold the number of hashes it says"):
        HashIndex.open(saved)


def test_another_file_is_not_taken_for_an_index(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(9000))
    with pytest.raises(CorruptFile, match=r"photo\.jpg' is not a Safelight hash index"):
        HashIndex.open(path)


def test_a_newer_file_says_so(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[8:12] = struct.pack("<I", 2)
    data[4092:4096] = struct.pack("<I", zlib.crc32(data[:4092]))
    saved.write_bytes(data)
    with pytest.raises(CorruptFile, match=r"newer version of Safelight \(format 2.*Upgrade"):
        HashIndex.open(saved)


def test_an_id_written_twice_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "index"
    block = (random_hashes(1), np.array([4], np.int64))
    index_file.write(path, 2, [block, block])
    with pytest.raises(CorruptFile, match="id 4 is given twice"):
        HashIndex.open(path)


# ---- Paths ----


def test_paths_that_cannot_be_used(tmp_path: Path, saved: Path) -> None:
    index = HashIndex()
    for path in (tmp_path / "none" / "index", tmp_path, saved / "below", tmp_path / ("n" * 255)):
        with pytest.raises(BadPath, match="cannot be saved as"):
            index.save(path)
    for path in (tmp_path / "none", tmp_path, saved / "below"):
        with pytest.raises(BadPath, match="cannot be read"):
            HashIndex.open(path)
    assert list(tmp_path.iterdir()) == [saved]


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(saved: Path) -> None:
    victim = saved.with_name("victim")
    victim.write_text("untouched")
    saved.with_name(".index.tmp").symlink_to(victim)
    with pytest.raises(BadPath, match="cannot be saved as"):
        HashIndex().save(saved)
    assert victim.read_text() == "untouched"
    assert len(HashIndex.open(saved)) == 100


# ---- Killed writers and full disks ----

KILLED = """
import os, signal, sys
import numpy as np
from safelight.kernel import index_file
from safelight.kernel.index import HashIndex
path, step = sys.argv[1], int(sys.argv[2])
calls = {"fsync": os.fsync, "write": index_file._with_crc}
def die_at(name):
    def call(*arguments):
        global step
        step -= 1
        if step < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return calls[name](*arguments)
    return call
os.fsync = die_at("fsync")
index_file._with_crc = die_at("write")
hashes = np.random.default_rng(2).integers(0, 256, (200_000, 32), dtype=np.uint8)
HashIndex.build(hashes, np.arange(200_000)).save(path)
"""


@pytest.mark.parametrize("step", range(7))
def test_a_writer_killed_at_any_step_leaves_a_whole_file(saved: Path, step: int) -> None:
    """Steps: four blocks, the page, the file made durable, the folder made durable (renamed)."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(saved), str(step)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(HashIndex.open(saved)) == (100 if step < 6 else 200_000)
    HashIndex.open(saved).save(saved)
    assert list(saved.parent.iterdir()) == [saved]


@pytest.fixture
def small_limit() -> Iterator[None]:
    """No file of this process may grow beyond 64 KiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_limit")
def test_no_room_leaves_the_old_file_and_nothing_else(saved: Path) -> None:
    large = HashIndex.build(random_hashes(10_000), numbered(10_000))
    with pytest.raises(DiskFull, match="Free some space and save again"):
        large.save(saved)
    assert list(saved.parent.iterdir()) == [saved]
    assert len(HashIndex.open(saved)) == 100


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let root mount a file system")
    try:
        path = tmp_path / "index"
        HashIndex.build(random_hashes(100), numbered(100)).save(path)
        with pytest.raises(DiskFull, match="Free some space and save again"):
            HashIndex.build(random_hashes(10_000), numbered(10_000)).save(path)
        assert list(tmp_path.iterdir()) == [path]
        assert len(HashIndex.open(path)) == 100
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S607  where it is differs
