"""`safelight scan --archives` and of videos, as a person runs it."""

import io
import json
import signal
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from safelight.cli.summary import place_of


@pytest.fixture
def archive(tmp_path, pictures):
    """A folder with one archive that holds a known picture and, further in, a changed one."""
    folder = tmp_path / "archives"
    folder.mkdir()
    out = io.BytesIO()
    pictures["landscape-0"].save(out, "PNG")
    same = out.getvalue()
    out = io.BytesIO()
    pictures["landscape-1"].resize((480, 320)).save(out, "JPEG", quality=70)
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        info = tarfile.TarInfo("deep/changed.jpg")
        info.size = len(out.getvalue())
        tar.addfile(info, io.BytesIO(out.getvalue()))
    with zipfile.ZipFile(folder / "outer.zip", "w") as made:
        made.writestr("same.png", same)
        made.writestr("inner.tar.gz", inner.getvalue())
    return folder


def test_what_lies_in_an_archive_is_found_and_named(safelight, archive, known):
    ran = safelight("scan", archive, "--hashes", known, "--archives", "-o", "json")
    assert ran.code == 1
    places = [[step["name"] for step in row.get("derivation", ())] for row in ran.rows]
    verdicts = [row["verdict"] for row in ran.rows]
    inner = ["inner.tar.gz", "inner.tar"]
    assert list(zip(places, verdicts, strict=True)) == [
        (["same.png"], "known"),
        ([*inner, "deep/changed.jpg"], "similar"),
        (inner, "no_match"),
        (["inner.tar.gz"], "no_match"),
        ([], "no_match"),
    ]
    assert {row["path"] for row in ran.rows} == {str(archive / "outer.zip")}
    assert "1 file, with 4 items inside, against" in ran.err


def test_people_see_the_way_to_what_was_found():
    steps = [{"kind": "archive_member", "name": "in\n.zip"}, {"kind": "picture", "name": "page 1"}]
    assert place_of({"path": "/a/outer.zip"}) == "/a/outer.zip"
    row = {"path": "/a/outer.zip", "derivation": steps}
    assert place_of(row) == r"/a/outer.zip → in\n.zip → page 1"


def test_without_the_option_an_archive_is_not_checked(safelight, archive, known):
    ran = safelight("scan", archive, "--hashes", known, "-o", "json")
    assert ran.code == 2
    (row,) = ran.rows
    assert (row["code"], row["fully_checked"], row["kind"]) == ("not_a_picture", False, "archive")


@pytest.fixture
def big(tmp_path, pictures) -> Path:
    """A folder with a picture, an archive of 300 and a picture."""
    folder = tmp_path / "big"
    folder.mkdir()
    out = io.BytesIO()
    pictures["landscape-2"].save(out, "PNG")
    for name in ("a.png", "c.png"):
        (folder / name).write_bytes(out.getvalue())
    with zipfile.ZipFile(folder / "b.zip", "w") as made:
        for number in range(300):
            made.writestr(f"{number:03}.png", out.getvalue())
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_scan_stopped_inside_an_archive_begins_that_archive_again(
    safelight, command, environ, big, known, home, number
):
    arguments = ["scan", str(big), "--hashes", str(known), "--archives", "-o", "json", "-j", "1"]
    with subprocess.Popen(
        [*command, *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        for _ in range(30):
            process.stdout.readline()
        process.send_signal(number)
        process.communicate(timeout=60)
    (result,) = (home / "scans").glob("*/results.jsonl")
    assert 30 <= len(result.read_bytes().splitlines()) < 300
    ran = safelight("scan", "--resume", "last", "-o", "json")
    assert (ran.code, ran.out) == (0, result.read_text())
    names = [
        (Path(row["path"]).name, [step["name"] for step in row.get("derivation", ())])
        for row in map(json.loads, result.read_text().splitlines())
    ]
    inside = [("b.zip", [f"{number:03}.png"]) for number in range(300)]
    assert names == [("a.png", []), *inside, ("b.zip", []), ("c.png", [])]
