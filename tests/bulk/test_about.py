"""The file about a results file: whole or not there, and true whenever a scan stops."""

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from safelight import __version__
from safelight.bulk.about import AboutFile, about_path, read_about, refuse_existing
from safelight.bulk.environment import clock, environment, mount_of
from safelight.bulk.exhibit import Exhibit, exhibit_of
from safelight.bulk.request import ScanRequest, inodes_of
from safelight.bulk.rows import Tally
from safelight.errors import BadInput, BadPath, CorruptFile
from safelight.matching.load import Loaded, Sources, load_files
from safelight.matching.rules import MatchPolicy
from safelight.model import Depth
from safelight.settings import Settings

NOW = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
SECRET = "postgresql+psycopg://me:secret@db/x"


@pytest.fixture
def request_(tmp_path: Path) -> ScanRequest:
    root = os.path.join(os.fsencode(tmp_path), b"medium\xff")
    os.mkdir(root)
    hashes = tmp_path / "known.csv"
    hashes.write_text("md5\n" + "ab" * 16 + "\n")
    return ScanRequest(
        scan_id="20261122-010203-abcd",
        roots=(root,),
        inodes=inodes_of([root]),
        result=str(tmp_path / "rows.jsonl"),
        sources=Sources(hashes=(str(hashes),)),
        policy=MatchPolicy(),
        depth=Depth(archives=True),
        fingerprint="f" * 32,
        exhibit=Exhibit(number="2026-117/3", examiner="E4", authority="order 12"),
    )


@pytest.fixture
def loaded(request_: ScanRequest) -> Loaded:
    return load_files(request_.sources)


def test_it_says_what_the_scan_will_be_before_the_first_row(
    request_: ScanRequest, loaded: Loaded, tmp_path: Path
):
    settings = Settings(home=tmp_path / "home", database_url=SECRET, max_pixels=7)
    AboutFile.begin(request_, loaded, settings, now=NOW)
    path = about_path(request_.result)
    about = read_about(Path(request_.result))
    assert path.name == "rows.jsonl.about.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert about["complete"] is False
    assert about["results"] == {"file": "rows.jsonl", "bytes": 0, "sha256": None}
    assert [about[name] for name in ("exhibit", "examiner", "authority")] == [
        *("2026-117/3", "E4", "order 12")
    ]
    (root,) = about["asked"]["roots"]
    assert root["path_b64"]  # the very bytes
    assert about["settings"]["max_pixels"] == 7
    assert "secret" not in path.read_text()
    (file,) = about["matched_against"]["files"]
    assert file["sha256"] == sha256((tmp_path / "known.csv").read_bytes()).hexdigest()
    assert about["matched_against"]["entries"] == 1
    assert about["environment"] == environment()
    assert about["runs"] == [
        {"began": "2026-11-22T01:02:03.456789Z", "ended": None, "clock": clock()}
    ]


def test_when_a_run_ends_it_ties_itself_to_the_rows(request_: ScanRequest, loaded: Loaded):
    about = AboutFile.begin(request_, loaded, Settings(), now=NOW)
    Path(request_.result).write_bytes(b"rows\n")
    tally = Tally(files=3)
    about.end_run(tally, now=NOW + timedelta(seconds=1), complete=False)
    told = read_about(Path(request_.result))
    assert told["results"]["sha256"] == sha256(b"rows\n").hexdigest() == about.sha256
    assert (told["complete"], told["results"]["bytes"]) == (False, 5)
    assert told["counts"] == tally.to_json()
    assert told["runs"][0]["ended"] == "2026-11-22T01:02:04.456789Z"


def test_every_run_is_told_and_one_with_other_versions_stands_out(
    request_: ScanRequest, loaded: Loaded
):
    AboutFile.begin(request_, loaded, Settings(), now=NOW)
    path = about_path(request_.result)
    before = json.loads(path.read_text())
    before["environment"]["version"] = "0.0.1"
    path.write_text(json.dumps(before))
    AboutFile.go_on(request_, loaded, Settings(), now=NOW + timedelta(hours=1))
    told = read_about(Path(request_.result))
    assert [run["began"][:16] for run in told["runs"]] == ["2026-11-22T01:02", "2026-11-22T02:02"]
    assert told["environment"]["version"] == "0.0.1"
    assert told["runs"][1]["environment"]["version"] == __version__


def test_one_that_was_lost_is_made_anew_and_says_so(request_: ScanRequest, loaded: Loaded):
    AboutFile.go_on(request_, loaded, Settings(), now=NOW)
    runs = read_about(Path(request_.result))["runs"]
    assert [run.get("lost", False) for run in runs] == [True, False]


def test_while_a_scan_is_gone_on_with_no_digest_stands(request_: ScanRequest, loaded: Loaded):
    about = AboutFile.begin(request_, loaded, Settings(), now=NOW)
    Path(request_.result).write_bytes(b"rows\n")
    about.end_run(Tally(), now=NOW, complete=False)
    AboutFile.go_on(request_, loaded, Settings(), now=NOW)
    assert read_about(Path(request_.result))["results"]["sha256"] is None


def test_a_medium_mounted_elsewhere_is_named_as_the_rows_name_it(
    request_: ScanRequest, loaded: Loaded, tmp_path: Path
):
    AboutFile.begin(replace(request_, named=(b"/mnt/first",)), loaded, Settings(), now=NOW)
    (root,) = read_about(Path(request_.result))["asked"]["roots"]
    assert root["path"] == "/mnt/first"
    assert root["at"]["path"].startswith(str(tmp_path))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"form": 2}', '{"form": 1, "asked": []}', "[" * 100_000],
)
def test_damage_is_told(tmp_path: Path, text: str):
    about_path(tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(CorruptFile, match=r"rows.jsonl.about.json is damaged"):
        read_about(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        *(("asked", None), ("runs", [1]), ("runs", 5), ("left_out", [{"path": "/a"}])),
        *(("environment", []), ("matched_against", {"files": [7]}), ("results", "none")),
    ],
)
def test_parts_of_another_kind_are_damage(
    request_: ScanRequest, loaded: Loaded, part: str, value: object
):
    AboutFile.begin(request_, loaded, Settings(), now=NOW)
    path = about_path(request_.result)
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: value}))
    with pytest.raises(CorruptFile):
        read_about(Path(request_.result))


def test_one_that_is_missing_is_told_and_one_that_is_there_not_overwritten(tmp_path: Path):
    with pytest.raises(BadInput, match="is missing"):
        read_about(tmp_path / "rows.jsonl")
    refuse_existing(tmp_path / "rows.jsonl")
    about_path(tmp_path / "rows.jsonl").symlink_to("nowhere")
    with pytest.raises(BadPath, match="exists already"):
        refuse_existing(tmp_path / "rows.jsonl")


def test_versions_that_decode_are_named():
    told = environment()
    assert told["packages"]["numpy"] == np.__version__
    assert {"libjpeg_turbo", "libheif"} <= set(told["libraries"])
    assert told["version"] == __version__


def test_the_mount_of_a_path_is_the_innermost():
    assert mount_of(b"/proc/self") == {
        "type": "proc",
        "source": mount_of(b"/proc")["source"],
        "options": mount_of(b"/proc")["options"],
    }
    assert mount_of(b"/")["type"] != "proc"


@pytest.mark.parametrize(
    "words",
    [
        {"number": "", "examiner": "E4", "authority": None},  # who, but of what?
        {"number": None, "examiner": "E4", "authority": None},
        {"number": "two\nlines", "examiner": None, "authority": None},
        {"number": "x" * 201, "examiner": None, "authority": None},
        {"number": "1", "examiner": None, "authority": "\u202e"},
    ],
)
def test_words_that_no_report_can_hold_are_refused(words: dict[str, str | None]):
    with pytest.raises(BadInput, match="--"):
        exhibit_of(**words)


def test_without_words_there_is_no_exhibit():
    assert exhibit_of(None, None, None) is None
    assert exhibit_of("1", None, None) == Exhibit(number="1")
