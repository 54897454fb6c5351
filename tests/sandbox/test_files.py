"""Opening suspect files: what cannot be opened, and why."""

import os
import socket
from pathlib import Path

import pytest

from safelight.errors import BadPath, CouldNotCheck
from safelight.sandbox.files import open_for_examination


def test_a_file_is_opened_for_reading_only_and_keeps_its_access_time(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    os.utime(path, (1, 1))
    fd = open_for_examination(path)
    try:
        assert os.read(fd, 100) == b"content"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(fd, b"x")
    finally:
        os.close(fd)
    assert path.stat().st_atime == 1


@pytest.mark.parametrize("path", ["missing", "file/below", "", "a\0b", "x" * 256])
def test_where_there_is_no_file(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(BadPath, match="There is no file"):
        open_for_examination(path)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadPath, match="is a folder"):
        open_for_examination(tmp_path)


def test_a_path_that_leads_in_circles_or_is_too_long_is_not_said_to_be_gone(
    tmp_path: Path,
) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    for path in (circle, Path("/x" * 4000)):
        with pytest.raises(CouldNotCheck, match="could not be opened") as caught:
            open_for_examination(path)
        assert caught.value.code == "read_error"


def test_what_is_no_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name in ("pipe", "socket"):
            with pytest.raises(CouldNotCheck) as caught:
                open_for_examination(tmp_path / name)
            assert caught.value.code == "not_a_file"
