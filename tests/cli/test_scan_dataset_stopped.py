"""Audits of data sets that are stopped and gone on with."""

import json
import signal
import subprocess
import time

import pytest
from datasets import rows_in, webdataset_shard, write_webdataset


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_audit_goes_on_where_it_was(audit, command, environ, tmp_path, listed, number):
    write_webdataset(tmp_path / "set", shards=12, count=60)
    arguments = ["scan", tmp_path / "set", "--dataset", "--hashes", listed, "--format", "jsonl"]
    arguments += ["--result", tmp_path / "audit", "--jobs", "2"]
    folder = tmp_path / "audit"
    with subprocess.Popen(
        [*command, *map(str, arguments)], env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(folder.glob("part-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode in (1, 2)
        assert "The same command again goes on" in err
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*")}
    noted = len((folder / "shards.jsonl").read_text().splitlines())
    assert 2 <= len(before) < 12
    assert 0 <= len(before) - noted <= 2  # at most those in the middle of being noted
    ran = audit(tmp_path / "set", "--dataset")
    assert ran.code == 1
    assert json.loads((folder / "summary.json").read_text())["shards"] == 12
    again = {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*")}
    untouched = [name for name, time_ns in before.items() if again[name] == time_ns]
    assert len(untouched) >= noted
    assert not list(folder.glob(".*"))
    audit(tmp_path / "set", "--dataset", result="at-once")
    assert rows_in(folder) == rows_in(tmp_path / "at-once")


def test_a_full_disk_leaves_no_half_a_part(audit, command, environ, tmp_path, listed):
    write_webdataset(tmp_path / "set", shards=3, count=20)
    arguments = ["scan", tmp_path / "set", "--dataset", "--hashes", listed, "--format", "jsonl"]
    arguments += ["--result", tmp_path / "audit", "--jobs", "1"]
    # a limit on the size of files stands in for a full disk
    limited = ["prlimit", "--fsize=6000", *command, *map(str, arguments)]
    done = subprocess.run(limited, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error (disk_full)" in done.stderr
    assert "The same command again goes on" in done.stderr
    assert not list((tmp_path / "audit").glob("part-*"))
    assert not list((tmp_path / "audit").glob(".*"))
    assert audit(tmp_path / "set", "--dataset").code == 1
    assert len(rows_in(tmp_path / "audit")) == 63


def test_a_whole_audit_is_not_made_again(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "audit").glob("part-*")}
    ran = audit(tmp_path / "set", "--dataset")
    assert ran.code == 1  # what was found stays found
    assert "3 shards of an earlier run" in ran.err
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_part_without_its_note_is_made_again_once(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset")
    whole = rows_in(tmp_path / "audit")
    shards = tmp_path / "audit" / "shards.jsonl"
    lines = shards.read_text().splitlines(keepends=True)
    shards.write_text(lines[0] + lines[1][:30])  # killed while it was written
    (tmp_path / "audit" / ".part-00002-shard-00002.jsonl.unfinished").write_text("half a row")
    assert audit(tmp_path / "set", "--dataset").code == 1
    assert rows_in(tmp_path / "audit") == whole
    assert not list((tmp_path / "audit").glob(".*"))
    assert json.loads((tmp_path / "audit" / "summary.json").read_text())["members"] == 12


def test_a_part_that_went_missing_is_made_again(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset")
    whole = rows_in(tmp_path / "audit")
    (tmp_path / "audit" / "part-00001-shard-00001.jsonl").unlink()
    assert audit(tmp_path / "set", "--dataset").code == 1
    assert rows_in(tmp_path / "audit") == whole


def test_something_else_is_not_gone_on_with(audit, safelight, tmp_path, listed):
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset")
    ran = audit(tmp_path / "set", "--dataset", "--radius", "20")
    assert (ran.code, "these differ: radius." in ran.err) == (2, True)
    listed.write_text(listed.read_text() + "0" * 64 + ",\n")
    ran = audit(tmp_path / "set", "--dataset")
    assert (ran.code, "hashes_fingerprint" in ran.err) == (2, True)


def test_a_data_set_that_changed_is_not_gone_on_with(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset")
    (tmp_path / "set" / "shard-00001.tar").write_bytes(webdataset_shard(1, 5))
    ran = audit(tmp_path / "set", "--dataset")
    assert "shard 1 (shard-00001) is not what it was" in ran.err
    assert ran.code == 1  # what was found before is still told
    assert json.loads((tmp_path / "audit" / "summary.json").read_text())["ended"] is False


def test_a_folder_of_something_else_is_left_alone(audit, tmp_path):
    write_webdataset(tmp_path / "set", shards=1)
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "thesis.txt").write_text("mine")
    ran = audit(tmp_path / "set", "--dataset")
    assert (ran.code, "holds something else" in ran.err) == (2, True)
    ran = audit(tmp_path / "set", "--dataset", result="set/audit")
    assert (ran.code, "never written to" in ran.err) == (2, True)
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["shard-00000.tar", "thesis.txt"]
