"""`safelight scan` in a laboratory: exhibits, what is left out, and the second examiner."""

import json
import os
import shutil
import signal
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def about_of(path: Path) -> dict:
    return json.loads(Path(f"{path}.about.json").read_text())


@pytest.fixture
def exhibit(safelight, tree, known, tmp_path):
    """Scan the tree as an exhibit."""

    def run(result: str = "a.jsonl", *more):
        words = ("--exhibit", "E/1", "--examiner", "E4", "--authority", "order 12")
        path = tmp_path / result
        ran = safelight("scan", tree, "--hashes", known, *words, "--result", path, *more)
        assert ran.code == 1, ran.err
        return path

    return run


def test_rows_of_an_exhibit_say_what_file_it_is(exhibit, tree):
    rows = {os.path.basename(row["path"]): row for row in rows_of(exhibit())}
    same = (tree / "same.png").read_bytes()
    row = rows["same.png"]
    assert (row["exhibit"], row["size"]) == ("E/1", len(same))
    assert row["sha256"] == sha256(same).hexdigest()
    assert len(row["md5"]) == 32
    assert len(row["sha1"]) == 40
    assert {"modified", "changed"} <= set(row["times"]) <= {"modified", "changed", "born"}
    text = json.dumps(list(rows.values()))
    assert "E4" not in text  # who scanned is not in the rows
    assert "order 12" not in text


def test_the_file_about_the_rows_says_the_rest(exhibit):
    result = exhibit()
    told = about_of(result)
    assert (told["complete"], told["exhibit"], told["examiner"]) == (True, "E/1", "E4")
    assert told["results"]["sha256"] == sha256(result.read_bytes()).hexdigest()
    assert told["counts"]["known"] == 1
    (facts,) = told["matched_against"]["facts"]
    assert facts["name"] == "known.csv"
    assert Path(f"{result}.about.json").stat().st_mode & 0o777 == 0o600


def test_the_pseudonym_of_the_settings_is_the_examiner(safelight, tree, known, tmp_path):
    result = tmp_path / "a.jsonl"
    words = ("--exhibit", "E/1", "--result", result)
    safelight("scan", tree, "--hashes", known, *words, SAFELIGHT_ACTOR="nightjar")
    assert about_of(result)["examiner"] == "nightjar"


def test_every_scan_has_such_a_file(safelight, tree, known, home):
    safelight("scan", tree, "--hashes", known)
    (result,) = (home / "scans").glob("*/results.jsonl")
    assert about_of(result)["exhibit"] is None
    assert "times" not in rows_of(result)[0]


def test_a_scan_does_not_go_on_under_other_limits(
    safelight, command, environ, many, known, tmp_path
):
    result = tmp_path / "a.jsonl"
    words = ["scan", str(many), "--hashes", str(known), "--result", str(result), "-o", "json"]
    with subprocess.Popen(
        [*command, *words, "--jobs", "1"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    before = (result.read_bytes(), about_of(result))
    ran = safelight("scan", "--resume", "last", SAFELIGHT_MAX_PIXELS="1000")
    assert (ran.code, "SAFELIGHT_MAX_PIXELS was 120000000 and is 1000" in ran.err) == (2, True)
    assert (result.read_bytes(), about_of(result)) == before


def test_one_that_is_there_is_not_overwritten(safelight, tree, known, tmp_path):
    (tmp_path / "a.jsonl.about.json").write_text("precious")
    ran = safelight("scan", tree, "--hashes", known, "--result", tmp_path / "a.jsonl")
    assert (ran.code, "exists already" in ran.err) == (2, True)
    assert not (tmp_path / "a.jsonl").exists()


# --- the second examiner --------------------------------------------------------------------------


def test_a_second_examiner_gets_the_same_bytes_wherever_the_medium_is_mounted(
    safelight, exhibit, tree, tmp_path
):
    first = exhibit()
    tree.rename(tmp_path / "elsewhere")
    second = tmp_path / "b.jsonl"
    words = ("--at", tmp_path / "elsewhere", "--examiner", "E9", "--result", second)
    ran = safelight("scan", "--verify", first, *words)
    assert ran.code == 0, ran.err
    assert "the same byte for byte" in ran.err
    assert first.read_bytes() == second.read_bytes()
    told = about_of(second)
    assert told["verifies"] == sha256(first.read_bytes()).hexdigest()
    assert (told["exhibit"], told["examiner"], told["authority"]) == ("E/1", "E9", "order 12")
    (root,) = told["asked"]["roots"]
    assert (root["path"], root["at"]["path"]) == (str(tree), str(tmp_path / "elsewhere"))


def test_what_differs_is_named_and_the_exit_code_is_1(safelight, exhibit, tree, known, tmp_path):
    first = exhibit()
    (tree / "empty.jpg").write_bytes(b"no longer")
    (tree / "stranger.jpg").unlink()
    (tree / "new.txt").touch()
    with known.open("a") as file:
        file.write("ab" * 32 + ",\n")
    ran = safelight("scan", "--verify", first, "--result", tmp_path / "b.jsonl")
    assert ran.code == 1
    told = ran.err + ran.out
    assert "the lists or hash files are not the same" in ran.err
    assert "hash file known.csv: SHA-256" in ran.err
    assert told.index("not the same in both runs") < told.index("Not identical")
    assert "3 rows are the same, 1 differ, 1 are missing, 1 are new." in ran.err
    for name in ("empty.jpg", "stranger.jpg", "new.txt"):
        assert name in ran.out


def test_a_summary_for_programs(safelight, exhibit, tmp_path):
    first = exhibit()
    ran = safelight("scan", "--verify", first, "--result", tmp_path / "b.jsonl", "-o", "json")
    told = ran.rows[-1]
    digest = sha256(first.read_bytes()).hexdigest()
    assert told == {
        "identical": 5,
        "renumbered": 0,
        "differing": 0,
        "missing": 0,
        "new": 0,
        "fields": {},
        "sha256_first": digest,
        "sha256_second": digest,
    }


def test_hash_files_may_lie_elsewhere(safelight, exhibit, known, tmp_path):
    first = exhibit()
    (tmp_path / "lists").mkdir()
    known.rename(tmp_path / "lists" / known.name)
    gone = safelight("scan", "--verify", first)
    assert (gone.code, "there is no such file" in gone.err) == (2, True)
    words = ("--hashes", tmp_path / "lists" / known.name, "--result", tmp_path / "b.jsonl")
    assert safelight("scan", "--verify", first, *words).code == 0


def test_who_is_named_in_the_settings_repeats_a_result_of_no_exhibit(
    safelight, tree, known, tmp_path
):
    first = tmp_path / "a.jsonl"
    safelight("scan", tree, "--hashes", known, "--result", first)
    ran = safelight("scan", "--verify", first, SAFELIGHT_ACTOR="nightjar")
    assert ran.code == 0, ran.err


def test_a_verification_that_is_stopped_goes_on(
    safelight, command, environ, many, tree, known, tmp_path
):
    (tree / "same.png").rename(many / "0000.png")
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    assert safelight("scan", many, "--hashes", known, "--result", first).code == 1
    words = ["scan", "--verify", str(first), "--result", str(second), "-o", "json", "--jobs", "1"]
    with subprocess.Popen(
        [*command, *words], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 2  # neither the same nor not the same: it is not known yet
    assert about_of(second)["complete"] is False
    assert about_of(second)["runs"][0]["ended"] is not None
    ran = safelight("scan", "--resume", "last")
    assert ran.code == 0, ran.err
    assert first.read_bytes() == second.read_bytes()
    assert len(about_of(second)["runs"]) == 2
    assert about_of(second)["complete"] is True


def test_a_result_that_was_changed_is_not_repeated(safelight, exhibit, tmp_path):
    first = exhibit()
    first.write_text(first.read_text().replace("E/1", "E/2"))
    ran = safelight("scan", "--verify", first)
    assert (ran.code, "is not what the scan wrote" in ran.err) == (2, True)


def test_a_result_alone_or_unfinished_is_not_repeated(safelight, exhibit):
    first = exhibit()
    about = about_of(first)
    Path(f"{first}.about.json").write_text(json.dumps(about | {"complete": False}))
    assert "is not complete" in safelight("scan", "--verify", first).err
    Path(f"{first}.about.json").unlink()
    ran = safelight("scan", "--verify", first)
    assert (ran.code, "is missing" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ["{tree}", "--verify", "{first}"],
        ["--verify", "{first}", "--radius", "3"],
        ["--verify", "{first}", "--exhibit", "other"],
        ["--verify", "{first}", "--at", "{tree}", "--at", "{tree}"],
        ["--verify", "{first}", "--at", "{tree}/nowhere"],
        ["--verify", "{first}", "--result", "{tree}/inside.jsonl"],
        ["{tree}", "--hashes", "{known}", "--at", "{tree}"],
        ["{tree}", "--hashes", "{known}", "--examiner", "E4"],
        ["{tree}", "--hashes", "{known}", "--exhibit", ""],
        ["{tree}", "--hashes", "{known}", "--exhibit", "two\nlines"],
    ],
)
def test_what_does_not_go_together_is_refused(safelight, exhibit, tree, known, words):
    first = exhibit()
    given = [one.format(tree=tree, known=known, first=first) for one in words]
    ran = safelight("scan", *given)
    assert ran.code == 2
    assert ran.err.startswith("error (bad_")


# --- what is already graded -----------------------------------------------------------------------


def test_what_is_graded_is_left_out_and_never_silently(safelight, exhibit, tree, known, tmp_path):
    first = exhibit()
    second = tmp_path / "b.jsonl"
    words = ("--hashes", known, "--skip-known", first, "--result", second)
    ran = safelight("scan", tree, *words)
    assert ran.code == 2  # nothing found anew, and not everything could be checked
    rows = {os.path.basename(row["path"]): row for row in rows_of(second)}
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "same.png": "skipped",
        "changed.jpg": "skipped",
        "stranger.jpg": "skipped",
        "empty.jpg": "unreadable",
        "text.jpg": "unreadable",
    }
    row = rows["same.png"]
    assert (row["skipped"], row["earlier"]) == (
        "already_graded",
        {"file": "a.jsonl", "verdict": "known"},
    )
    assert [match["algorithm"] for match in row["matches"]] == ["sha256"]  # still told
    assert row["pdq"] is None
    assert "left out: already graded" in ran.err
    assert "3  left out" in ran.err
    told = about_of(second)
    assert told["counts"]["skipped"] == 3
    assert told["left_out"][0]["sha256"] == sha256(first.read_bytes()).hexdigest()


def test_a_hash_file_of_digests_is_enough_and_0_means_all_else_was_checked(
    safelight, tree, known, tmp_path
):
    graded = tmp_path / "graded.csv"
    digest = sha256((tree / "same.png").read_bytes()).hexdigest()
    graded.write_text(f"sha256,class\n{digest},A1\n")
    words = ("--hashes", known, "--skip-known", graded, "-o", "json")
    ran = safelight("scan", tree / "same.png", tree / "stranger.jpg", *words)
    assert ran.code == 0
    assert [row["verdict"] for row in ran.rows] == ["skipped", "no_match"]
    assert ran.rows[0]["earlier"] == {"file": "graded.csv", "class": "A1"}


def test_a_scan_that_leaves_out_goes_on_and_is_repeated_alike(
    safelight, exhibit, tree, known, tmp_path
):
    first = exhibit()
    second, third = tmp_path / "b.jsonl", tmp_path / "c.jsonl"
    words = ("--hashes", known, "--skip-known", first, "--result", second)
    safelight("scan", tree, *words)
    ran = safelight("scan", "--verify", second, "--result", third)
    assert ran.code == 0, ran.err
    assert second.read_bytes() == third.read_bytes()


def test_files_that_grade_and_changed_are_told_when_a_scan_goes_on(
    safelight, command, environ, many, known, tmp_path
):
    graded = tmp_path / "graded.csv"
    graded.write_text("md5\n" + "ab" * 16 + "\n")
    words = ["scan", str(many), "--hashes", str(known), "--skip-known", str(graded), "-o", "json"]
    with subprocess.Popen(
        [*command, *words, "--jobs", "1"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    graded.write_text("md5\n" + "cd" * 16 + "\n")
    ran = safelight("scan", "--resume", "last")
    assert (ran.code, "have changed since this scan began" in ran.err) == (2, True)
    graded.write_text("md5\n" + "ab" * 16 + "\n")
    assert safelight("scan", "--resume", "last").code == 0


# --- reports and validation -----------------------------------------------------------------------


def test_a_report_of_every_form(safelight, exhibit, tmp_path):
    result = exhibit()
    for form in ("html", "pdf", "csv", "json", "vics"):
        out = tmp_path / f"report.{form}"
        ran = safelight("report", result, "--format", form, "--out", out)
        assert (ran.code, ran.out) == (0, ""), ran.err
        assert out.stat().st_size > 500
        assert out.stat().st_mode & 0o777 == 0o600


def test_a_report_says_whose_classes_it_leaves_out(safelight, exhibit, tmp_path):
    result = exhibit()
    about = about_of(result)
    about["matched_against"]["facts"][0]["redistribution"] = "forbidden"
    Path(f"{result}.about.json").write_text(json.dumps(about))
    for form, told in (("csv", True), ("html", False)):
        ran = safelight("report", result, "--format", form, "--out", tmp_path / form)
        said = "from the list known.csv are left out: its redistribution is forbidden."
        assert (ran.code, said in ran.err) == (0, told), ran.err


def test_a_report_is_told_to_programs(safelight, exhibit, tmp_path):
    out = tmp_path / "report.html"
    ran = safelight("report", exhibit(), "--out", out, "--output", "json")
    assert ran.code == 0, ran.err
    data = out.read_bytes()
    digest = sha256(data).hexdigest()
    assert ran.rows == [{"path": str(out), "format": "html", "bytes": len(data), "sha256": digest}]


def test_a_report_needs_rows_that_are_as_they_were(safelight, exhibit, tree, tmp_path):
    result = exhibit()
    inside = safelight("report", result, "--out", tree / "report.html")
    assert (inside.code, "never written to" in inside.err) == (2, True)
    words = ("--categories", result, "--out", tmp_path / "x")
    assert safelight("report", result, *words).code == 2
    with result.open("a") as file:
        file.write(" ")
    ran = safelight("report", result, "--out", tmp_path / "report.html")
    assert (ran.code, ran.err.startswith("error (corrupt_file)")) == (2, True)
    assert not (tmp_path / "report.html").exists()


def test_a_report_of_a_scan_that_was_stopped(safelight, command, environ, many, known, tmp_path):
    result = tmp_path / "a.jsonl"
    words = ["scan", str(many), "--hashes", str(known), "--result", str(result), "-o", "json"]
    with subprocess.Popen(
        [*command, *words, "--jobs", "1"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    ran = safelight("report", result, "--out", tmp_path / "report.html")
    assert ran.code == 0
    assert "is not complete" in ran.err
    assert "This scan is not complete" in (tmp_path / "report.html").read_text()


def test_an_installation_is_validated_and_faults_are_found(safelight, tmp_path):
    pack = tmp_path / "pack"
    ran = safelight("validate", pack, "--keep")
    assert ran.code == 0, ran.out
    assert "came out as expected" in ran.err
    signature = ran.err.split("Signature: ")[1].split()[0]
    again = safelight("validate", pack, "-o", "json")
    assert again.code == 0
    assert again.rows[-1]["signature"] == signature
    assert all(row["as_expected"] for row in again.rows[:-1])
    shutil.copy(pack / "collection" / "stranger-200.jpg", pack / "collection" / "same-bytes.png")
    ran = safelight("validate", pack)
    assert ran.code == 2
    assert "verdict no_match instead of known" in ran.out
    assert signature not in ran.err
    assert pack.exists()  # what was there before is left there
    assert safelight("validate", pack, "--make-only").code == 2
