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
import numpy.typing as npt
import pytest
from index_samples import as_lists, numbered, random_hashes

from safelight.errors import BadPath, CorruptFile, DiskFull
from safelight.kernel import index_file
from safelight.kernel.index import HashIndex

PAGE = index_file.PAGE_BYTES


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "index"
    HashIndex.build(random_hashes(100), numbered(100, -50)).save(path, note=b"a note")
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
    hashes = np.repeat(random_hashes(2), [2, 1], axis=0)
    HashIndex.build(hashes, np.array([5, -1, 7])).save(tmp_path / "index", note=b"ours")
    data = (tmp_path / "index").read_bytes()
    size = len(data) - PAGE - 4 - 4
    body, table = data[PAGE : PAGE + size], data[PAGE + size : PAGE + size + 4]
    assert table + b"ours" == struct.pack("<I", zlib.crc32(body)) + data[-4:]
    fields = (3, 2, 1, size, 1 << 20, 1, 4, zlib.crc32(b"ours"), zlib.crc32(table))
    page = struct.pack("<8sIIQQQQIIIII", b"SLINDEX\n", 2, 256, *fields).ljust(4092, b"\0")
    assert data[:PAGE] == page + struct.pack("<I", zlib.crc32(page))


def stored_order() -> list[int]:
    """Where each bit of a hash lies in the stored one, as docs/reference/index-file.md says."""
    order, state, mask = list(range(256)), 0x5AFE11967, 2**64 - 1
    for i in range(255, 0, -1):
        state = (state + 0x9E3779B97F4A7C15) & mask
        x = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & mask
        j = (x ^ (x >> 31)) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order


@pytest.mark.parametrize("different", [5, 8_192])
def test_the_body_is_as_documented(tmp_path: Path, different: int) -> None:
    hashes = random_hashes(different, 3)
    entries = np.vstack([hashes, hashes[:2], hashes[:1]])  # the first three times, the next twice
    ids = np.random.default_rng(4).permutation(different + 3) - 2
    HashIndex.build(entries, ids).save(tmp_path / "index")
    data = (tmp_path / "index").read_bytes()
    rows, singles = struct.unpack_from("<QQ", data, 24)
    assert (rows, singles) == (different, different - 2)
    at = PAGE

    def section(kind: str, count: int) -> npt.NDArray[np.int64]:
        nonlocal at
        start, size = at, np.dtype(kind).itemsize * count
        at = PAGE + -(-(start + size - PAGE) // 64) * 64
        return np.frombuffer(data, kind, count, start)

    stored = section("u1", rows * 32).reshape(rows, 32)
    order = np.unpackbits(stored, axis=1, bitorder="little")[:, stored_order()]
    their = np.packbits(order, axis=1, bitorder="little")
    stored_ids = section("<i8", different + 3)
    offsets = [*range(singles), *section("<u4", 3).tolist()]
    multi_order = section("<u4", 5).astype(np.int64)
    assert np.array_equal(stored_ids[multi_order], np.sort(stored_ids[singles:]))
    owner = {hash_.tobytes(): np.sort(ids[(entries == hash_).all(axis=1)]) for hash_ in their[-2:]}
    for row in (rows - 2, rows - 1):
        assert np.array_equal(
            stored_ids[offsets[row] : offsets[row + 1]], owner[their[row].tobytes()]
        )
    place = np.argsort(ids)
    assert np.array_equal(
        their[:singles], entries[place[np.isin(ids[place], stored_ids[:singles])]]
    )
    if different == 8_192:
        slots = stored.view("<u2")
        for slot in range(16):
            ends, places = section("<u4", 65537), section("<u4", rows)
            assert np.array_equal(places, np.argsort(slots[:, slot], kind="stable"))
            assert np.array_equal(np.diff(ends), np.bincount(slots[:, slot], minlength=65536))
            assert np.array_equal(section("<u2", rows + 32)[:rows], slots[places, (slot + 1) % 16])
    assert len(data) == at + 4 * -(-(at - PAGE) // (1 << 20))


def test_the_note_is_kept_and_belongs_to_the_file(saved: Path) -> None:
    index = HashIndex.open(saved)
    assert index.note == b"a note"
    index.save(saved)
    assert HashIndex.open(saved).note == HashIndex().note == b""
    large = random.Random(1).randbytes(index_file.MOST_NOTE_BYTES)
    index.save(saved, note=large)
    assert HashIndex.open(saved).note == large
    HashIndex.verify(saved)


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ("text", "note must be bytes, not str"),
        (bytes(2**24 + 1), "at most 16,777,216 bytes, not 16,777,217"),
    ],
)
def test_a_note_that_cannot_be_kept_is_named(saved: Path, note: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HashIndex().save(saved, note=note)
    assert len(HashIndex.open(saved)) == 100


def test_an_open_index_outlives_its_file_and_another_in_its_place(saved: Path) -> None:
    index = HashIndex.open(saved)
    HashIndex().save(saved)
    saved.unlink()
    assert as_lists(index.search(random_hashes(100)[:1], 0)) == [[(-50, 0)]]
    assert index.statistics().mapped == index.statistics().bytes > 0


def test_verifying_a_whole_file_tells_its_progress(tmp_path: Path) -> None:
    path, told = tmp_path / "index", []
    HashIndex.build(random_hashes(40_000), numbered(40_000)).save(path)
    HashIndex.verify(path, progress=lambda done, total: told.append((done, total)))
    size = told[-1][1]
    assert size > 1 << 20
    assert told == [(min((n + 1) << 20, size), size) for n in range(-(-size >> 20))]
    HashIndex().save(path)
    HashIndex.verify(path)


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


def test_a_changed_byte_before_or_after_the_body_is_noticed_at_once(saved: Path) -> None:
    whole = saved.read_bytes()
    tail = range(len(whole) - len(b"a note") - 4, len(whole))  # the one checksum and the note
    rng = random.Random(8)
    for at in [*range(90), *rng.sample(range(90, PAGE), 60), *range(4090, PAGE), *tail]:
        for value in (1 << rng.randrange(8), 255):
            damage(saved, at, value)
            for read in (HashIndex.open, HashIndex.verify):
                with pytest.raises(CorruptFile, match=r"build the index anew\.$"):
                    read(saved)
            saved.write_bytes(whole)
    assert len(HashIndex.open(saved)) == 100


def test_a_changed_byte_of_the_body_is_found_by_verifying(tmp_path: Path) -> None:
    path = tmp_path / "index"
    HashIndex.build(random_hashes(40_000), numbered(40_000)).save(path)
    size = path.stat().st_size
    for at in [PAGE, PAGE + (1 << 20) - 1, PAGE + (1 << 20), size - 4 * (-(-size >> 20)) - 1]:
        damage(path, at, 4)
        block = (at - PAGE) >> 20
        with pytest.raises(CorruptFile, match=f"damaged: block {block} does not match"):
            HashIndex.verify(path)
        damage(path, at, 4)
    HashIndex.verify(path)


def test_ids_that_damage_made_equal_are_noticed_at_the_latest_when_all_is_joined(
    saved: Path,
) -> None:
    data = bytearray(saved.read_bytes())
    ids = PAGE + 100 * 32
    data[ids + 8 : ids + 16] = data[ids : ids + 8]
    saved.write_bytes(data)
    index = HashIndex.open(saved)
    index.remove(numbered(1))
    with pytest.raises(CorruptFile, match=r"index' is damaged: id -50 is given twice; .* anew\.$"):
        index.save(saved.with_name("copy"))


SEARCHES = """
import os, random, sys
import numpy as np
from safelight.errors import CorruptFile
from safelight.kernel.index import HashIndex
path, seed = sys.argv[1], int(sys.argv[2])
whole = open(path, "rb").read()
rng = random.Random(seed)
hashes = np.random.default_rng(2).integers(0, 256, (40_000, 32), dtype=np.uint8)
size = len(whole) - 4096 - 4 * ((len(whole) - 4096 >> 20) + 1)
for round in range(12):
    data = bytearray(whole)
    if round % 3 == 0:  # everything from somewhere on
        start = 4096 + rng.randrange(size)
        data[start : 4096 + size] = rng.randbytes(4096 + size - start)
    for _ in range(2000):
        data[4096 + rng.randrange(size)] ^= 1 << rng.randrange(8)
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.rename(path + ".new", path + ".damaged")  # the one before is still mapped
    index = HashIndex.open(path + ".damaged")
    for radius in (0, 31, 70):
        index.search(hashes[rng.randrange(39_000) :][:100], radius, limit=10)
    index.remove(np.arange(100))
    for change in (
        lambda: index.add(hashes[:20_000], np.arange(100_000, 120_000)),
        lambda: index.replace(hashes[:100], np.arange(50, 150)),
        index.merge,
        lambda: index.save(path + ".copy"),
    ):
        try:
            change()
        except (ValueError, CorruptFile):
            pass
"""


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_body_never_kills_the_process(tmp_path: Path, seed: int) -> None:
    hashes = np.random.default_rng(2).integers(0, 256, (40_000, 32), dtype=np.uint8)
    hashes[::5] = hashes[0]
    path = tmp_path / "index"
    HashIndex.build(hashes, numbered(40_000)).save(path)
    done = subprocess.run(
        [sys.executable, "-c", SEARCHES, str(path), str(seed)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_cut_short_anywhere_is_noticed(saved: Path) -> None:
    whole = saved.read_bytes()
    rng = random.Random(9)
    sizes = [0, 1, 7, 8, 4095, 4096, 4097, *range(len(whole) - 12, len(whole))]
    for size in sizes + rng.sample(range(len(whole)), 50):
        saved.write_bytes(whole[:size])
        with pytest.raises(CorruptFile, match=r"build the index anew\.$"):
            HashIndex.open(saved)


def test_more_than_was_written_is_noticed(saved: Path) -> None:
    with saved.open("ab") as file:
        file.write(b"\0")
    size = saved.stat().st_size
    with pytest.raises(CorruptFile, match=f"it has {size:,} bytes and should have {size - 1:,}"):
        HashIndex.open(saved)


def test_another_file_is_not_taken_for_an_index(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(9000))
    with pytest.raises(CorruptFile, match=r"photo\.jpg' is not a Safelight hash index"):
        HashIndex.open(path)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (1, r"older version of Safelight \(format 1; .*format 2\)\. Build the index anew"),
        (3, r"newer version of Safelight \(format 3.*Upgrade"),
    ],
)
def test_a_file_of_another_version_says_so(saved: Path, version: int, message: str) -> None:
    data = bytearray(saved.read_bytes())
    data[8:12] = struct.pack("<I", version)
    data[4092:4096] = struct.pack("<I", zlib.crc32(data[:4092]))
    saved.write_bytes(data)
    with pytest.raises(CorruptFile, match=message):
        HashIndex.open(saved)


@pytest.mark.parametrize(
    "counts", [(101, 100, 100), (100, 101, 100), (100, 100, 101), (2**63, 2**63, 2**63)]
)
def test_counts_that_do_not_fit_the_body_are_noticed(
    saved: Path, counts: tuple[int, int, int]
) -> None:
    data = bytearray(saved.read_bytes())
    data[16:40] = struct.pack("<QQQ", *counts)
    data[4092:4096] = struct.pack("<I", zlib.crc32(data[:4092]))
    saved.write_bytes(data)
    with pytest.raises(CorruptFile, match=r"is damaged: .*build the index anew\.$"):
        HashIndex.open(saved)


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


def test_a_path_may_be_bytes_but_hold_no_zero_byte(saved: Path) -> None:
    name = os.fsencode(saved)
    HashIndex.open(name).save(name)
    HashIndex.verify(name)
    for bad in (b"a\0b", "a\0b"):
        for use in (HashIndex().save, HashIndex.open, HashIndex.verify):
            with pytest.raises(BadPath, match="zero byte"):
                use(bad)


def test_a_pipe_in_the_place_of_a_file_is_named_and_not_waited_for(saved: Path) -> None:
    pipe = saved.with_name("pipe")
    os.mkfifo(pipe)
    os.mkfifo(saved.with_name(".index.tmp"))
    for read in (HashIndex.open, HashIndex.verify):
        with pytest.raises(BadPath, match="a pipe or a device, not a file"):
            read(pipe)
    with pytest.raises(BadPath, match="cannot be saved as"):
        HashIndex().save(saved)
    reader = os.open(saved.with_name(".index.tmp"), os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(BadPath, match="a pipe or a device, not a file"):
        HashIndex().save(saved)
    os.close(reader)
    with pytest.raises(BadPath, match="a pipe or a device, not a file"):
        HashIndex.open("/dev/zero")
    assert len(HashIndex.open(saved)) == 100


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
import os, signal, sys, zlib
import numpy as np
from safelight.kernel.index import HashIndex
path, step = sys.argv[1], int(sys.argv[2])
def die_at(call):
    def dying(*arguments):
        global step
        step -= 1
        if step < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments)
    return dying
os.fsync = die_at(os.fsync)
zlib.crc32 = die_at(zlib.crc32)
hashes = np.random.default_rng(2).integers(0, 256, (8_000, 32), dtype=np.uint8)
HashIndex.build(hashes, np.arange(8_000)).save(path)
"""


@pytest.mark.parametrize("step", range(7))
def test_a_writer_killed_at_any_step_leaves_a_whole_file(saved: Path, step: int) -> None:
    """Steps: a block, all made durable, three sums of the page, it and the folder durable."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(saved), str(step)], check=False)
    assert done.returncode == -signal.SIGKILL
    left = saved.with_name(".index.tmp")
    if left.exists():
        HashIndex.verify(left) if step == 5 else _refused(left)
    HashIndex.verify(saved)
    assert len(HashIndex.open(saved)) == (100 if step < 6 else 8_000)
    HashIndex.open(saved).save(saved)
    assert list(saved.parent.iterdir()) == [saved]


def _refused(path: Path) -> None:
    with pytest.raises(CorruptFile):
        HashIndex.open(path)


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
