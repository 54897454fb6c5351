"""`safelight.hash_image` as a user calls it."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pictures import photo, saved

import safelight
from safelight.errors import BadPath, CouldNotCheck
from safelight.sandbox.files import open_for_examination

JPEG = saved(photo(), "JPEG", quality=90)


def test_path_and_bytes_and_both_isolations_agree(tmp_path: Path) -> None:
    path = tmp_path / "photo.dat"
    path.write_bytes(JPEG)
    results = [
        safelight.hash_image(source, isolation=isolation)
        for source in (path, str(path), JPEG)
        for isolation in ("child", "none")
    ]
    assert all(result == results[0] for result in results)
    assert results[0].mode == "exact"
    assert safelight.hash_image(JPEG, mode="fast").mode == "fast"


def test_an_odd_name_and_a_link_are_read(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\nb\xff.jpg"))
    odd.write_bytes(JPEG)
    link = tmp_path / "link"
    link.symlink_to(odd)
    assert safelight.hash_image(odd) == safelight.hash_image(link) == safelight.hash_image(JPEG)


def test_the_access_time_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    os.utime(path, (1_000_000, 1_000_000))
    safelight.hash_image(path)
    assert path.stat().st_atime == 1_000_000


def test_no_such_file_folder_and_special_files(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "dangling"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    for path in (tmp_path / "none.jpg", link, "", "zero\0byte", "x" * 5000):
        with pytest.raises(BadPath, match="Check the path"):
            safelight.hash_image(path)
    with pytest.raises(BadPath, match="is a folder"):
        safelight.hash_image(tmp_path)
    for path in (pipe, tmp_path / "socket", Path("/dev/null")):
        with pytest.raises(CouldNotCheck) as caught:
            safelight.hash_image(path)
        assert caught.value.code == "not_a_file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(JPEG)
    path.chmod(0)
    with pytest.raises(CouldNotCheck) as caught:
        safelight.hash_image(path)
    assert caught.value.code == "permission_denied"


def test_what_could_not_be_examined_says_what_to_do() -> None:
    for data, code in ((b"", "empty"), (b"words", "not_a_picture"), (JPEG[:200], "damaged")):
        with pytest.raises(CouldNotCheck) as caught:
            safelight.hash_image(data)
        assert caught.value.code == code
        assert len(str(caught.value)) > 15


def test_arguments_that_mean_nothing() -> None:
    with pytest.raises(ValueError, match="isolation"):
        safelight.hash_image(JPEG, isolation="some")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="slow"):
        safelight.hash_image(JPEG, mode="slow")  # type: ignore[arg-type]


def test_many_threads() -> None:
    want = safelight.hash_image(JPEG)
    got: list[safelight.ImageHashes] = []
    threads = [
        threading.Thread(target=lambda: got.append(safelight.hash_image(JPEG))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [want] * 8


def test_the_descriptor_is_for_reading_and_not_inherited(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    fd = open_for_examination(path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(fd, b"y")
    assert not os.get_inheritable(fd)
    os.close(fd)


_FORK = """
import os, sys, threading
import safelight.api as api
import safelight.decode.pillow as pillow
held, done = threading.Event(), threading.Event()
def hold():
    with pillow._LOCK, api._STARTING:
        held.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
pid = os.fork()
if pid == 0:
    os._exit(0 if pillow._LOCK.acquire(timeout=5) and api._STARTING.acquire(timeout=5) else 1)
done.set()
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_lock_held_over_a_fork_does_not_hang_the_forked_process() -> None:
    command = [sys.executable, "-W", "ignore", "-c", _FORK]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
