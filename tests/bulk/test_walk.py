"""Walking: a fixed order, nothing skipped silently, nothing outside the roots opened."""

import os
from pathlib import Path

import pytest

from safelight.bulk.walk import check_roots, outermost, walk
from safelight.errors import BadPath
from safelight.files import show_path


def names(root, found):
    return [os.path.relpath(one.path, os.fsencode(root)) for one in found]


def test_every_file_in_byte_order_folder_by_folder(tmp_path: Path):
    for name in (b"b.jpg", b"a\nnewline.jpg", b"\xff\xfe.jpg", b"Z.jpg", b"sub/deep/x", b"sub/a"):
        path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = list(walk([os.fsencode(tmp_path)]))
    assert names(tmp_path, found) == [
        b"Z.jpg",
        b"a\nnewline.jpg",
        b"b.jpg",
        b"\xff\xfe.jpg",
        b"sub/a",
        b"sub/deep/x",
    ]
    assert all(one.problem is None for one in found)


def test_links_inside_wait_for_their_turn_and_links_outside_are_reported(tmp_path: Path):
    inside, outside = tmp_path / "tree", tmp_path / "outside"
    inside.mkdir()
    outside.write_bytes(b"x")
    (inside / "file").write_bytes(b"x")
    (inside / "link-in").symlink_to("file")
    (inside / "link-out").symlink_to(outside)
    (inside / "link-nowhere").symlink_to("gone")
    (inside / "link-loop").symlink_to(inside)
    found = list(walk([os.fsencode(inside)]))
    problems = {name: one.problem for name, one in zip(names(inside, found), found, strict=True)}
    assert set(problems) == {b"file", b"link-out", b"link-nowhere"}
    assert problems[b"file"] is None
    assert problems[b"link-out"].code == problems[b"link-nowhere"].code == "link_not_followed"


def test_a_root_that_is_a_link_is_followed(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"x")
    (tmp_path / "root").symlink_to("real")
    assert names(tmp_path, walk([os.fsencode(tmp_path / "root")])) == [b"root/file"]


def test_pipes_are_reported_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (found,) = walk([os.fsencode(tmp_path)])
    assert found.problem.code == "not_a_file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_reported(tmp_path: Path):
    (tmp_path / "closed").mkdir(mode=0)
    (found,) = walk([os.fsencode(tmp_path)])
    assert found.problem.code == "permission_denied"


def test_a_folder_of_many_entries(tmp_path: Path):
    for number in range(5000):
        (tmp_path / f"{number:05}").touch()
    assert names(tmp_path, walk([os.fsencode(tmp_path)])) == [b"%05d" % n for n in range(5000)]


def test_roots_inside_roots_are_left_to_them(tmp_path: Path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "ab").touch()
    (tmp_path / "link").symlink_to("a/b")
    a, b, ab, link = (os.fsencode(tmp_path / name) for name in ("a", "a/b", "ab", "link"))
    assert outermost([b, a, ab, a, link]) == [a, ab]
    assert outermost([link, b]) == [link]


def test_a_root_that_goes_away_is_a_result(tmp_path: Path):
    (found,) = walk([os.fsencode(tmp_path / "gone")])
    assert found.problem.code == "vanished"


@pytest.mark.parametrize("path", ["nowhere", "file/below", "nul\0byte"])
def test_a_path_that_does_not_exist_is_refused(tmp_path: Path, path: str):
    (tmp_path / "file").touch()
    with pytest.raises(BadPath):
        check_roots([f"{tmp_path}/{path}"])


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"plain.jpg", "plain.jpg"),
        ("ä 漢.jpg".encode(), "ä 漢.jpg"),
        (b"two\nlines", "two\\nlines"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"not\xfftext", "not\ufffdtext"),
        ("turned\u202egpj".encode(), "turned\\u202egpj"),
    ],
)
def test_paths_are_shown_on_one_line_without_control_characters(path: bytes, shown: str):
    assert show_path(path) == shown
