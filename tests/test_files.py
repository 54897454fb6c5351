import os
import subprocess
import sys
from pathlib import Path

import pytest

from safelight.errors import BadPath, BadSetting
from safelight.files import disk_errors, make_private_folder, new_private_file, replace_private

IS_ROOT = os.geteuid() == 0


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o644)
    replace_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert _mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_laid_out_beforehand_is_not_followed(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "a.json"
    victim.write_text("mine")
    (tmp_path / f".a.json.{os.getpid()}.new").symlink_to(victim)
    path.symlink_to(victim)
    replace_private(path, b"new")
    assert victim.read_text() == "mine"
    assert path.read_bytes() == b"new"
    assert not path.is_symlink()


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_a_file_can_be_given_to_another_user(tmp_path: Path) -> None:
    replace_private(tmp_path / "a", b"x", owner=(65534, 65534))
    found = (tmp_path / "a").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (65534, 65534, 0o600)


def test_a_write_cut_short_by_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from safelight.errors import DiskFull; from safelight.files import replace_private\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    replace_private(Path(sys.argv[1]), bytes(1500))\n"
        "except DiskFull:\n    print('full')\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "a"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "full\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_private_folder(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make_private_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert (_mode(tmp_path / "a"), _mode(tmp_path / "a" / "b")) == (0o755, 0o700)
    make_private_folder(tmp_path / "a" / "b")
    (tmp_path / "a" / "b").chmod(0o770)
    with pytest.raises(BadSetting, match="can be written by other users"):
        make_private_folder(tmp_path / "a" / "b")


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(BadSetting, match="is not a folder"):
        make_private_folder(tmp_path / "home")


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_a_folder_of_another_user(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(BadSetting, match="belongs to another user"):
        make_private_folder(folder)


def test_errors_do_not_say_written_where_something_was_read(tmp_path: Path) -> None:
    path = tmp_path / "a\nb"
    with pytest.raises(BadPath, match=r"a\\nb: cannot be used: No such file"), disk_errors(path):
        path.read_bytes()


def test_a_new_private_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with new_private_file(path) as write:
        write(b"one")
        write(b" two")
        assert not path.exists()
    assert (path.read_bytes(), _mode(path)) == (b"one two", 0o600)
    with pytest.raises(KeyError), new_private_file(tmp_path / "b") as write:  # noqa: PT012
        write(b"one")
        raise KeyError
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_new_private_file_replaces_nothing(tmp_path: Path) -> None:
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_text("old")
    link.symlink_to(tmp_path / "nowhere")
    for taken in (path, link):
        with pytest.raises(BadPath, match="exists already"), new_private_file(taken):
            pass
    with pytest.raises(BadPath, match="cannot be used"), new_private_file(tmp_path / "no" / "a"):
        pass
    assert path.read_text() == "old"
