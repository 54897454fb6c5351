"""A scan's state: whole rows only, whatever happens, and going on where it was."""

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from safelight.bulk.request import ScanRequest, inodes_of
from safelight.bulk.state import (
    ScanState,
    is_running,
    new_scan_id,
    refuse_inside,
    unfinished_scans,
)
from safelight.errors import BadInput, BadPath, CorruptFile, DiskFull
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import Algorithm, Depth, FrameSampling, HashMode

NOW = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
POLICY = MatchPolicy(radius=20, min_quality=40)
DEPTH = Depth(mode=HashMode.FAST, video=FrameSampling.KEY_FRAMES, archives=True)
SOURCES = Sources(hashes=("/hashes.csv",), algorithm=Algorithm.SHA256)


def row(path="/a.jpg", verdict="no_match", **more):
    matches = [{}] if verdict in ("known", "similar") else []
    return {"path": path, "verdict": verdict, "fully_checked": True, "matches": matches, **more}


def begin(home: Path, result: Path | None = None, now: datetime = NOW) -> ScanState:
    root = os.fsencode(home.parent / "tree") + b"\xff"
    os.makedirs(root, exist_ok=True)
    scan_id = new_scan_id(now)
    request = ScanRequest(
        scan_id=scan_id,
        roots=(root,),
        inodes=inodes_of([root]),
        result=str(result or home / "scans" / scan_id / "results.jsonl"),
        sources=SOURCES,
        policy=POLICY,
        depth=DEPTH,
        fingerprint="f" * 32,
    )
    return ScanState.create(home, request)


def test_a_stopped_scan_goes_on_with_what_it_was_asked(tmp_path: Path):
    with begin(tmp_path) as state:
        state.write(row("/a.jpg", "known"))
        state.write(row("/b.jpg"))
    with ScanState.reopen(tmp_path, state.request.scan_id) as again:
        assert again.request == state.request
        assert (again.is_done(b"/a.jpg"), again.is_done(b"/c.jpg")) == (True, False)
        assert dict(again.tally.verdicts) == {"known": 1, "no_match": 1}
        assert [one["path"] for one in again.rows_so_far()] == ["/a.jpg", "/b.jpg"]
        again.write(row("/c.jpg"))
        again.end()
    lines = Path(again.request.result).read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["/a.jpg", "/b.jpg", "/c.jpg"]
    assert list(unfinished_scans(tmp_path)) == []


def inside(path: str, name: str, **more):
    return {**row(path, **more), "derivation": [{"kind": "archive_member", "name": name}]}


def test_rows_of_a_file_without_its_own_are_dropped_and_the_file_done_again(tmp_path: Path):
    whole = [inside("/a.zip", "1"), inside("/a.zip", "2", verdict="known"), row("/a.zip")]
    with begin(tmp_path) as state:
        for one in (*whole, row("/b.jpg"), inside("/c.zip", "1"), inside("/c.zip", "2")):
            state.write(one)
    result = Path(state.request.result)
    with ScanState.reopen(tmp_path, "last") as again:
        done = [again.is_done(path) for path in (b"/a.zip", b"/b.jpg", b"/c.zip")]
        assert done == [True, True, False]
        assert dict(again.tally.verdicts) == {"no_match": 3, "known": 1}
        assert (again.tally.files, again.tally.members) == (2, 2)
        assert list(again.rows_so_far()) == [*whole, row("/b.jpg")]
        again.write(row("/c.zip"))
    lines = [json.loads(line) for line in result.read_text().splitlines()]
    assert lines == [*whole, row("/b.jpg"), row("/c.zip")]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_row_cut_short_is_dropped_and_its_file_done_again(tmp_path: Path, cut: int):
    with begin(tmp_path) as state:
        state.write(row("/a.jpg"))
        state.write(row("/b.jpg"))
    result = Path(state.request.result)
    os.truncate(result, result.stat().st_size - cut)
    with ScanState.reopen(tmp_path, "last") as again:
        assert (again.is_done(b"/a.jpg"), again.is_done(b"/b.jpg")) == (True, False)
        again.write(row("/b.jpg"))
    assert [json.loads(line)["path"] for line in result.read_text().splitlines()] == [
        "/a.jpg",
        "/b.jpg",
    ]


def test_a_full_disk_leaves_whole_rows(tmp_path: Path):
    resource = pytest.importorskip("resource")
    pid = os.fork()
    if pid == 0:  # the limit on file size stands in for a full disk, in a process of its own
        code = 1
        try:
            import signal  # noqa: PLC0415

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            state = begin(tmp_path)
            state.write(row("/a.jpg"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))
            try:
                state.write(row("/b" * 100))
            except DiskFull:
                code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    with ScanState.reopen(tmp_path, "last") as again:
        assert again.tally.files == 1
        assert Path(again.request.result).read_bytes().endswith(b"}\n")


def test_everything_is_private(tmp_path: Path):
    with begin(tmp_path) as state:
        state.write(row())
    paths = [path for path in (tmp_path / "scans").rglob("*") if path.is_file()]
    assert {path.name for path in paths} == {"scan.json", "results.jsonl"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


def test_an_existing_results_file_is_not_overwritten(tmp_path: Path):
    result = tmp_path / "mine.jsonl"
    result.write_text("precious")
    with pytest.raises(BadPath, match="exists already"):
        begin(tmp_path / "home", result=result)
    assert result.read_text() == "precious"
    assert list((tmp_path / "home" / "scans").iterdir()) == []


def test_a_running_scan_is_not_resumed(tmp_path: Path):
    with begin(tmp_path) as state:
        state.write(row())
        assert is_running(state.request)
        with pytest.raises(BadInput, match="still running"):
            ScanState.reopen(tmp_path, state.request.scan_id)
        with pytest.raises(BadInput, match="no unfinished scan"):
            ScanState.reopen(tmp_path, "last")
        state.write(row("/b.jpg"))
    assert not is_running(state.request)
    assert len(Path(state.request.result).read_text().splitlines()) == 2


def test_the_newest_unfinished_scan_is_last(tmp_path: Path):
    first = begin(tmp_path)
    second = begin(tmp_path, now=NOW.replace(minute=30))
    ended = begin(tmp_path, now=NOW.replace(hour=9))
    ended.end()
    for state in (first, second, ended):
        state.close()
    with ScanState.reopen(tmp_path, "last") as state:
        assert state.request.scan_id == second.request.scan_id


def test_what_cannot_be_resumed_says_so(tmp_path: Path):
    with pytest.raises(BadInput, match="no unfinished scan"):
        ScanState.reopen(tmp_path, "last")
    with pytest.raises(BadInput, match="there is no scan"):
        ScanState.reopen(tmp_path, "20200101-000000-abcd")
    with begin(tmp_path) as state:
        state.end()
    with pytest.raises(BadInput, match="has ended"):
        ScanState.reopen(tmp_path, state.request.scan_id)


@pytest.mark.parametrize("name", ["scan.json", "results.jsonl"])
def test_damage_is_told(tmp_path: Path, name: str):
    with begin(tmp_path) as state:
        state.write(row())
    (tmp_path / "scans" / state.request.scan_id / name).write_bytes(b"\x00{\n")
    with pytest.raises(CorruptFile):
        ScanState.reopen(tmp_path, state.request.scan_id)


def test_one_damaged_scan_does_not_hide_the_others(tmp_path: Path):
    begin(tmp_path).close()
    with begin(tmp_path, now=NOW.replace(hour=9)) as damaged:
        pass
    (tmp_path / "scans" / damaged.request.scan_id / "scan.json").write_text("{")
    with ScanState.reopen(tmp_path, "last") as state:
        assert state.request.scan_id != damaged.request.scan_id


def test_a_root_that_became_another_folder_is_refused(tmp_path: Path):
    with begin(tmp_path / "home") as state:
        state.write(row())
    (root,) = state.request.roots
    os.rename(root, root + b" elsewhere")  # its inode stays in use
    with pytest.raises(BadPath, match="is the medium mounted"):
        ScanState.reopen(tmp_path / "home", "last")
    os.mkdir(root)
    with pytest.raises(BadPath, match="is the medium mounted"):
        ScanState.reopen(tmp_path / "home", "last")


def test_files_that_are_gone_are_counted(tmp_path: Path):
    with begin(tmp_path) as state:
        state.write(row("/a.jpg"))
        state.write(row("/b.jpg"))
    with ScanState.reopen(tmp_path, "last") as again:
        assert again.is_done(b"/a.jpg")
        assert again.gone == 1


def test_nothing_of_ours_lies_in_the_scanned_tree(tmp_path: Path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tmp_path / "link").symlink_to(tree)
    for inside in (tree / "x", tmp_path / "link" / "x", tree):
        with pytest.raises(BadPath, match="inside the scanned folder"):
            refuse_inside([os.fsencode(tree)], inside, "the results file")
    refuse_inside([os.fsencode(tree)], tmp_path / "tree-2", "the results file")
