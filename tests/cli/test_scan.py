"""`safelight scan` as people run it."""

import hashlib
import json
import os
import resource
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
    safelight, command, environ, many, known, home, number
):
    arguments = ["scan", str(many), "--hashes", str(known), "-o", "json", "--jobs", "1"]
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
    assert ran.out == result.read_text()  # whole, the rows of the first run included
    rows = [json.loads(line) for line in result.read_text().splitlines()]
    assert [row["path"] for row in rows] == [str(path) for path in sorted(many.iterdir())]
    assert safelight("scan", "--resume", "last").code == 2  # it has ended


def stopped_early(command, environ, tree, known, *, after):
    """Begin a scan of a tree and stop it after some rows."""
    arguments = ["scan", str(tree), "--hashes", str(known), "-o", "json", "--jobs", "1"]
    with subprocess.Popen(
        [*command, *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        for _ in range(after):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    return process.returncode, err.decode()


def test_a_find_is_told_when_a_scan_is_stopped(command, environ, many, tree, known):
    (tree / "same.png").rename(many / "0000.png")
    code, err = stopped_early(command, environ, many, known, after=10)
    assert code == 1
    assert "Do not open, copy, send or delete" in err
    assert "safelight scan --resume" in err


def test_a_medium_that_is_away_is_not_taken_for_done(safelight, command, environ, many, known):
    code, _ = stopped_early(command, environ, many, known, after=10)
    assert code == 2
    for path in many.iterdir():  # an empty folder is what is left of a medium that went away
        path.unlink()
    ran = safelight("scan", "--resume", "last")
    assert ran.code == 2
    assert "is the medium still mounted?" in ran.err
    assert safelight("scan", "--resume", "last").code == 2  # still open
    many.rmdir()
    ran = safelight("scan", "--resume", "last")
    assert (ran.code, "is the medium mounted?" in ran.err) == (2, True)


def test_hashes_that_changed_in_between_are_told(safelight, command, environ, many, known):
    stopped_early(command, environ, many, known, after=10)
    with known.open("a") as file:
        file.write("ab" * 32 + ",\n")
    ran = safelight("scan", "--resume", "last")
    assert ran.code == 2
    assert "The hashes have changed since this scan began" in ran.err


def test_a_full_disk_tells_the_find_and_how_to_go_on(command, environ, many, tree, known, home):
    (tree / "same.png").rename(many / "0000.png")
    with subprocess.Popen(
        [*command, "scan", str(many), "--hashes", str(known), "-o", "json", "--jobs", "1"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for _ in range(5):
            process.stdout.readline()
        # a limit on the size of files stands in for a full disk
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (8000, 8000))
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error (disk_full): " in err
    assert "Do not open, copy, send or delete" in err
    (result,) = (home / "scans").glob("*/results.jsonl")
    assert result.read_bytes().endswith(b"}\n")
    assert f"safelight scan --resume {result.parent.name}" in err


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
        (["--resume", "last", "--mode", "fast"], "bad_input"),
        (["--resume", "last", "--radius", "31"], "bad_input"),
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


def test_sha256_digests_without_a_name_are_not_missed(safelight, tree, tmp_path):
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in tree.glob("*.png")]
    hashes = tmp_path / "digests.txt"
    hashes.write_text("\n".join([*digests, hashlib.sha256(b"1").hexdigest()]))
    ran = safelight("scan", tree / "same.png", "--hashes", hashes, "-o", "json")
    assert ran.code == 1
    assert [match["algorithm"] for match in ran.rows[0]["matches"]] == ["sha256"]
    assert "do not look like PDQ" in ran.err


def test_one_sha256_digest_among_pdq_hashes_is_not_missed(safelight, tree, tmp_path):
    digest = hashlib.sha256((tree / "same.png").read_bytes()).hexdigest()
    hashes = tmp_path / "mixed.txt"
    hashes.write_text("\n".join(["0f" * 32] * 40 + [digest]))
    assert safelight("scan", tree / "same.png", "--hashes", hashes).code == 1


def test_lines_that_are_no_hash_are_told(safelight, tree, known):
    with known.open("a") as file:
        file.write("not a hash,\n")
    ran = safelight("scan", tree, "--hashes", known)
    assert ran.code == 1
    assert "known.csv, line 4: " in ran.err
    # what could not be read was not matched against: nothing found is not the whole truth
    ran = safelight("scan", tree / "stranger.jpg", "--hashes", known)
    assert (ran.code, "1 line of the hash files could not be read" in ran.err) == (2, True)


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "2>/dev/full", ">/dev/full"])
@pytest.mark.parametrize("name", ["stranger.jpg", "same.png"])
def test_1_means_found_whoever_listens(command, environ, tree, known, closed, name):
    words = [*command, "scan", str(tree / name), "--hashes", str(known), "-o", "json"]
    script = f'exec "$@" {closed}'
    done = subprocess.run(["/bin/sh", "-c", script, "-", *words], env=environ, check=False)
    if closed == ">/dev/full":
        assert done.returncode == 2  # what was found could not be printed
    else:
        assert done.returncode == (1 if name == "same.png" else 0)


def test_json_is_utf_8_whatever_the_locale(safelight, tree, known):
    (tree / "same.png").rename(tree / "été 😀.png")
    narrow = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = safelight("scan", tree, "--hashes", known, "-o", "json", **narrow)
    assert ran.code == 1
    assert "été 😀.png" in by_name(ran.rows)
    text = safelight("scan", tree, "--hashes", known, **narrow)
    assert (text.code, "Do not open, copy" in text.err) == (1, True)


def test_a_hash_file_without_hashes_is_no_scan(safelight, tree, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing yet\n")
    ran = safelight("scan", tree, "--hashes", empty)
    assert (ran.code, ran.out) == (2, "")


def test_rows_that_contradict_themselves_are_not_gone_on_with(
    safelight, command, environ, many, tree, known, home
):
    (tree / "same.png").rename(many / "0000.png")
    stopped_early(command, environ, many, known, after=10)
    (result,) = (home / "scans").glob("*/results.jsonl")
    result.write_text(result.read_text().replace('"verdict":"known"', '"verdict":"no_match"'))
    ran = safelight("scan", "--resume", "last")
    assert (ran.code, "corrupt_file" in ran.err) == (2, True)


def test_a_reader_that_goes_away_is_no_traceback(command, environ, tree, known):
    arguments = ["scan", str(tree), "--hashes", str(known), "-o", "json"]
    process = subprocess.Popen(
        [*command, *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(60) == 2
    assert b"Traceback" not in err


def test_children_do_not_outlive_a_killed_scan(command, environ, many, known):
    arguments = ["scan", str(many), "--hashes", str(known), "-o", "json"]
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
