"""`safelight scan` as people run it."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest


def by_name(rows):
    return {os.path.basename(row["path"]): row for row in rows}


def test_a_scan_finds_and_says_why(safelight, tree, known, home):
    ran = safelight("scan", tree, "--hashes", known, "--output", "json")
    assert ran.code == 1
    rows = by_name(ran.rows)
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "same.png": "known",
        "changed.jpg": "similar",
        "stranger.jpg": "no_match",
        "empty.jpg": "unreadable",
        "text.jpg": "unreadable",
    }
    assert [match["algorithm"] for match in rows["same.png"]["matches"]] == ["sha256", "pdq"]
    (match,) = rows["changed.jpg"]["matches"]
    assert match["list"] == "known.csv"
    assert (match["entry"], match["orientation"]) == (3, "flip_horizontal")
    assert 0 < match["distance"] <= 31
    assert rows["empty.jpg"]["code"] == "empty"
    assert rows["text.jpg"]["code"] == "not_a_picture"
    assert "Do not open, copy, send or delete" in ran.err
    # what was printed is what was kept
    (kept,) = (home / "scans").glob("*/results.jsonl")
    assert kept.read_text() == ran.out
    # without a database no database was started
    assert sorted(path.name for path in home.iterdir()) == ["scans"]


def test_the_text_is_for_people(safelight, tree, known):
    ran = safelight("scan", tree, "--hashes", known, SAFELIGHT_CONTACT="the duty officer, 123")
    assert ran.code == 1
    assert "byte for byte the file of entry 2 of list known.csv" in ran.out
    assert "mirrored" in ran.out
    assert "Call the duty officer, 123." in ran.err
    assert "not_a_picture" in ran.err


def test_nothing_found_and_everything_checked_is_0(safelight, tree, known):
    ran = safelight("scan", tree / "stranger.jpg", "--hashes", known)
    assert (ran.code, ran.out) == (0, "")
    assert "does not mean harmless" in ran.err


def test_nothing_found_but_not_everything_checked_is_2(safelight, tree, known):
    ran = safelight("scan", tree / "stranger.jpg", tree / "empty.jpg", "--hashes", known)
    assert ran.code == 2
    assert "1 × empty" in ran.err


def test_a_cut_off_picture_is_never_simply_no_match(safelight, tree, known):
    whole = (tree / "stranger.jpg").read_bytes()
    (tree / "stranger.jpg").write_bytes(whole[: len(whole) // 2])
    ran = safelight("scan", tree / "stranger.jpg", "--hashes", known, "-o", "json")
    (row,) = ran.rows
    assert (row["verdict"], row["flags"], row["fully_checked"]) == (
        "no_match",
        ["truncated"],
        False,
    )
    assert ran.code == 2


def test_names_of_any_bytes(safelight, tree, known):
    name = b"line\nbreak \xff\xfe.png"
    (tree / "same.png").rename(os.fsdecode(os.path.join(os.fsencode(tree), name)))
    ran = safelight("scan", tree, "--hashes", known, "-o", "json")
    (row,) = [row for row in ran.rows if "path_b64" in row]
    assert (row["verdict"], os.path.basename(row["path"])) == (
        "known",
        "line\nbreak \ufffd\ufffd.png",
    )
    text = safelight("scan", tree, "--hashes", known).out
    assert "line\\nbreak" in text


def test_fast_mode_gives_the_same_verdicts(safelight, tree, known):
    exact = safelight("scan", tree, "--hashes", known, "-o", "json")
    fast = safelight("scan", tree, "--hashes", known, "-o", "json", "--mode", "fast")
    assert fast.code == exact.code == 1
    for before, after in zip(exact.rows, fast.rows, strict=True):
        assert (before["verdict"], before["matches"]) == (after["verdict"], after["matches"])
    assert by_name(fast.rows)["stranger.jpg"]["mode"] == "fast"
    assert by_name(fast.rows)["changed.jpg"]["mode"] == "exact"


def test_jobs_do_not_change_the_rows(safelight, tree, known):
    one = safelight("scan", tree, "--hashes", known, "-o", "json", "--jobs", "1")
    many = safelight("scan", tree, "--hashes", known, "-o", "json", "--jobs", "5")
    assert one.out == many.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_scan_goes_on_where_it_was(
    safelight, command, environ, noise, known, home, number
):
    arguments = ["scan", str(noise), "--hashes", str(known), "-o", "json", "--jobs", "1"]
    process = subprocess.Popen(
        [*command, *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if number != signal.SIGKILL:
        assert process.returncode == 2
        assert b"safelight scan --resume" in err
    (result,) = (home / "scans").glob("*/results.jsonl")
    before = len(result.read_bytes().splitlines())
    assert 20 <= before < 400
    ran = safelight("scan", "--resume", "last", "-o", "json")
    assert ran.code == 0
    rows = [json.loads(line) for line in result.read_text().splitlines()]
    assert [row["path"] for row in rows] == [str(path) for path in sorted(noise.iterdir())]
    assert safelight("scan", "--resume", "last").code == 2  # it has ended


def test_results_go_where_they_are_asked_to(safelight, tree, known, tmp_path):
    result = tmp_path / "result.jsonl"
    ran = safelight("scan", tree, "--hashes", known, "--result", result)
    assert ran.code == 1
    assert len(result.read_text().splitlines()) == 5
    assert result.stat().st_mode & 0o777 == 0o600
    again = safelight("scan", tree, "--hashes", known, "--result", result)
    assert (again.code, "exists already" in again.err) == (2, True)


def test_nothing_is_written_into_the_scanned_tree(safelight, tree, known):
    before = {path: path.stat().st_mtime_ns for path in [tree, *tree.rglob("*")]}
    inside = safelight("scan", tree, "--hashes", known, "--result", tree / "x.jsonl")
    home = safelight("scan", tree, "--hashes", known, SAFELIGHT_HOME=str(tree / "home"))
    assert (inside.code, home.code) == (2, 2)
    assert "never written to" in inside.err
    assert "never written to" in home.err
    assert safelight("scan", tree, "--hashes", known).code == 1
    assert {path: path.stat().st_mtime_ns for path in [tree, *tree.rglob("*")]} == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["{tree}/nowhere", "--hashes", "{known}"], "bad_path"),
        (["{tree}", "--hashes", "{tree}/nowhere.csv"], "bad_path"),
        (["{tree}", "--hashes", "{tree}/text.jpg"], "bad_hash_file"),
        (["{tree}", "--hashes", "{known}", "--radius", "300"], "bad_input"),
        (["{tree}", "--hashes", "{known}", "--radius", "-1"], "bad_input"),
        (["{tree}", "--hashes", "{known}", "--min-quality", "101"], "bad_input"),
        (["{tree}", "--hashes", "{known}", "--list", "some"], "bad_input"),
        (["--hashes", "{known}"], "bad_input"),
        (["{tree}", "--resume", "last"], "bad_input"),
        (["--resume", "last"], "bad_input"),
        (["--resume", "../../etc"], "bad_input"),
    ],
)
def test_bad_input_says_what_to_do_and_leaves_nothing(
    safelight, tree, known, home, arguments, code
):
    given = [one.format(tree=tree, known=known) for one in arguments]
    ran = safelight("scan", *given)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error ({code}): ")
    assert not home.exists()


def test_lines_that_are_no_hash_are_told(safelight, tree, known):
    with known.open("a") as file:
        file.write("not a hash,\n")
    ran = safelight("scan", tree, "--hashes", known)
    assert ran.code == 1
    assert "known.csv, line 4: " in ran.err


def test_a_reader_that_goes_away_is_no_traceback(command, environ, tree, known):
    arguments = ["scan", str(tree), "--hashes", str(known), "-o", "json"]
    process = subprocess.Popen(
        [*command, *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(60) == 2
    assert b"Traceback" not in err


def test_children_do_not_outlive_a_killed_scan(command, environ, noise, known):
    arguments = ["scan", str(noise), "--hashes", str(known), "-o", "json"]
    process = subprocess.Popen(
        [*command, *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    process.stdout.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "a decoding child was left behind"
        time.sleep(0.05)
