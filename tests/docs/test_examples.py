"""The programs of examples/ do what they say."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT
from PIL import Image

from safelight.demo import landscape

HASH = "python -c 'import safelight, sys; print(safelight.hash_image(sys.argv[1]).pdq)'"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder with a known picture turned around and a stranger; known.txt beside it."""
    folder = tmp_path / "media"
    folder.mkdir()
    known = landscape(1)
    known.save(tmp_path / "known.png")
    known.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg")
    landscape(2).save(folder / "stranger.png")
    done = bash(f"{HASH} known.png > known.txt", tmp_path)
    assert done.returncode == 0, done.stderr
    return folder


def bash(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SAFELIGHT_HOME": str(folder / "home"),
    }
    return subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_match_folder_finds_the_turned_copy_alone(media: Path):
    done = bash(f"python -W error {ROOT}/examples/match_folder.py media known.txt", media.parent)
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = done.stdout.splitlines()
    distance, path = line.split("\t")
    assert path == "media/turned.jpg"
    assert int(distance.removesuffix(" bits")) <= 10


def test_match_folder_says_what_it_could_not_check(media: Path):
    (media / "turned.jpg").write_bytes(b"no picture at all")
    done = bash(f"python -W error {ROOT}/examples/match_folder.py media known.txt", media.parent)
    assert (done.returncode, done.stdout) == (2, "not checked\tmedia/turned.jpg\tnot_a_picture\n")


def test_nightly_scan_speaks_of_a_find_without_naming_it(media: Path):
    done = bash(f"{ROOT}/examples/nightly-scan.sh media nights --hashes known.txt", media.parent)
    assert done.returncode == 1
    assert "found something" in done.stdout
    assert "turned" not in done.stdout + done.stderr
    rows, about, talk = sorted((media.parent / "nights").iterdir())
    assert (rows.suffix, talk.suffix) == (".jsonl", ".txt")
    assert about.name == f"{rows.name}.about.json"
    verdicts = [json.loads(line)["verdict"] for line in rows.read_text("utf-8").splitlines()]
    assert verdicts == ["no_match", "similar"]
    assert "What to do now" in talk.read_text("utf-8")
    assert {stat.S_IMODE(file.stat().st_mode) for file in (rows, about, talk)} == {0o600}


def test_nightly_scan_is_silent_when_there_is_nothing(media: Path):
    (media / "turned.jpg").unlink()
    done = bash(f"{ROOT}/examples/nightly-scan.sh media nights --hashes known.txt", media.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nightly_scan_says_when_not_all_was_checked(media: Path):
    (media / "turned.jpg").write_bytes(b"")
    done = bash(f"{ROOT}/examples/nightly-scan.sh media nights --hashes known.txt", media.parent)
    assert done.returncode == 2
    assert "not all files could be checked" in done.stdout
