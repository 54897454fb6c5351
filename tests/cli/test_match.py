"""`safelight match`: what each kind of hash finds, and the exit codes."""

import hashlib
import json
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

NOWHERE = "0f" * 32


@pytest.fixture
def pdq(known_lines: list[str]) -> str:
    return known_lines[1].split(",")[0]


@pytest.fixture
def sha256(known_lines: list[str]) -> str:
    return known_lines[1].split(",")[1]


def near(digits: str, bits: int) -> str:
    return f"{int(digits, 16) ^ ((1 << bits) - 1):064x}"


def test_what_matches_ends_with_1_and_what_does_not_with_0(
    safelight: Run, known: Path, pdq: str
) -> None:
    found = safelight("match", pdq, "--hashes", known)
    assert (found.code, found.err) == (1, "")
    assert pdq in found.out
    nothing = safelight("match", NOWHERE, "--hashes", known)
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "No match on these lists.\n")


def test_json_has_a_row_for_every_hash_in_order(
    safelight: Run, known: Path, pdq: str, sha256: str
) -> None:
    texts = [NOWHERE, near(pdq, 5), f"SHA-256:{sha256.upper()}"]
    ran = safelight("match", *texts, "--hashes", known, "--output", "json")
    assert (ran.code, ran.err) == (1, "")
    same = {"list": "known.csv", "entry": 2, "class": "", "orientation": "identity", "frame": 0}
    of = "of entry 2 of list known.csv"
    near_pdq = "near_pdq: 5 of 256 bits from entry 2 of list known.csv (radius 31)"
    same_file = f"same_sha256: byte for byte the file {of}"
    found = [
        {**same, "algorithm": "pdq", "distance": 5, "reason": near_pdq},
        {**same, "algorithm": "sha256", "distance": 0, "reason": same_file},
    ]
    assert ran.rows == [
        {"hash": NOWHERE, "matches": []},
        *({"hash": text, "matches": [one]} for text, one in zip(texts[1:], found, strict=True)),
    ]


def test_64_digits_are_looked_up_as_pdq_and_as_sha256(
    safelight: Run, tmp_path: Path, pdq: str
) -> None:
    both = tmp_path / "both.csv"
    both.write_text(f"pdq,sha256\n{pdq},\n,{pdq}\n")

    def algorithms(text: str) -> list[tuple[str, int]]:
        (row,) = safelight("match", text, "--hashes", both, "--output", "json").rows
        return [(match["algorithm"], match["entry"]) for match in row["matches"]]

    assert algorithms(pdq) == [("sha256", 3), ("pdq", 2)]
    assert algorithms(f"pdq:{pdq}") == [("pdq", 2)]
    assert algorithms(f"sha-256:{pdq}") == [("sha256", 3)]


@pytest.mark.parametrize(("bits", "code"), [(31, 1), (32, 0)])
def test_the_radius(safelight: Run, known: Path, pdq: str, bits: int, code: int) -> None:
    assert safelight("match", near(pdq, bits), "--hashes", known).code == code
    assert safelight("match", near(pdq, bits), "--hashes", known, "--radius", "32").code == 1
    assert safelight("match", near(pdq, bits), "--hashes", known, "--radius", "0").code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("xyz", "not hexadecimal"),
        ("abc", "3 digits are no hash known here (MD5 32, SHA-1 40, PDQ 64)"),
        ("abcd", "4 digits are no hash known here"),
        ("md5:" + NOWHERE, "md5 has 32 digits, not 64"),
        ("crc:" + NOWHERE, "'crc' is not an algorithm known here"),
        (hashlib.sha1(usedforsecurity=False).hexdigest(), "the sha1 of an empty file"),
    ],
)
def test_what_is_no_hash_ends_with_2(
    safelight: Run, known: Path, pdq: str, text: str, words: str
) -> None:
    ran = safelight("match", pdq, text, "--hashes", known)
    assert (ran.code, ran.out) == (2, "")
    assert words in " ".join(ran.err.split())
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "options",
    [
        ("--hashes", "missing.csv"),
        ("--radius", "65"),
        ("--min-quality", "101"),
        ("--output", "xml"),
    ],
)
def test_options_that_cannot_work_end_with_2(
    safelight: Run, known: Path, pdq: str, options: tuple[str, ...]
) -> None:
    ran = safelight("match", pdq, "--hashes", known, *options)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err


def test_an_entry_of_low_quality_is_compared_for_equality_only(
    safelight: Run, tmp_path: Path, pdq: str
) -> None:
    low = tmp_path / "low.jsonl"
    low.write_text(json.dumps({"pdq": pdq, "quality": 10}) + "\n")
    assert safelight("match", pdq, "--hashes", low).code == 1
    assert safelight("match", near(pdq, 1), "--hashes", low).code == 0
    assert safelight("match", near(pdq, 1), "--hashes", low, "--min-quality", "10").code == 1


def test_help_tells_that_a_turned_picture_needs_the_file(safelight: Run) -> None:
    ran = safelight("match", "--help")
    assert ran.code == 0
    assert "safelight scan" in ran.out
    assert "turned and mirrored" in " ".join(ran.out.split())


@pytest.fixture
def typed(command: list[str], environ: dict[str, str], known: Path) -> Iterator[Run]:
    """Match what is written to standard input; the process, to talk to."""

    def run(*options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, "match", "-", "--hashes", str(known), *options],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    # Where Ctrl-C is ignored, as in the background of a shell, a child would ignore it too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield run
    signal.signal(signal.SIGINT, before)


def test_lines_are_answered_one_by_one_before_the_input_ends(typed: Run, pdq: str) -> None:
    with typed("-o", "json") as process:
        for text, found in ((pdq, 1), (NOWHERE, 0), (near(pdq, 4), 1)):
            process.stdin.write(text + "\n")
            process.stdin.flush()
            row = json.loads(process.stdout.readline())
            assert (row["hash"], len(row["matches"])) == (text, found)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (1, "", "")


def test_every_line_of_a_long_input_is_answered_in_order(typed: Run, pdq: str, sha256: str) -> None:
    texts = [near(pdq, bits) for bits in range(60)] * 100 + [f"sha256:{sha256}"]
    with typed("--output", "json") as process:
        out, err = process.communicate("\n".join(texts))  # the last line has no end
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["hash"] for row in rows] == texts
    assert [len(row["matches"]) for row in rows] == ([1] * 32 + [0] * 28) * 100 + [1]
    assert (process.returncode, err) == (1, "")


def test_a_line_that_is_no_hash_is_answered_with_an_error_and_the_others_still_are(
    typed: Run, pdq: str
) -> None:
    lines = [NOWHERE, "", "# a comment", "xyz", "  ", "a" * 5000, pdq]
    with typed("-o", "json") as process:
        out, err = process.communicate("\n".join(lines) + "\n")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row.get("error", {}).get("code") for row in rows] == [
        None, "bad_hash", "bad_hash", None,
    ]  # fmt: skip
    assert "not hexadecimal" in rows[1]["error"]["message"]
    assert len(rows[2]["hash"]) == 80
    assert (len(rows[3]["matches"]), process.returncode, err) == (1, 2, "")


def test_in_text_there_is_a_line_for_every_match(typed: Run, pdq: str) -> None:
    with typed() as process:
        out, _ = process.communicate(f"{near(pdq, 3)}\n{NOWHERE}\nxyz\n")
    assert out == (
        f"{near(pdq, 3)}\tknown.csv\t2\tpdq\t3\tnear_pdq: 3 of 256 bits"
        f" from entry 2 of list known.csv (radius 31)\n{NOWHERE}\tno match\n"
        "xyz\terror (bad_hash): 'xyz' is not a hash: not hexadecimal.\n"
    )


def test_in_text_no_input_can_move_the_cursor_or_forge_a_column(typed: Run) -> None:
    untrusted = f"{NOWHERE}\tno match\r\x1b[2K\x9b1mx"
    with typed() as process:
        out, _ = process.communicate(untrusted + "\n")
    shown = f"{NOWHERE}\\tno match\\r\\x1b[2K\\x9b1"  # its first 80 characters
    assert out.startswith(f"{shown}\terror (bad_hash): ")
    assert (out.count("\t"), len(out.splitlines())) == (1, 1)
    assert not {"\r", "\x1b", "\x9b"} & {*out}


def test_ctrl_c_is_told_and_is_not_the_end_of_the_input(typed: Run, pdq: str) -> None:
    with typed("-o", "json") as process:
        process.stdin.write(pdq + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["matches"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (2, "", "Stopped.\n")


@pytest.mark.parametrize("redirection", ["<&-", "0>/dev/null"])
def test_an_input_that_cannot_be_read_is_an_error(
    command: list[str], environ: dict[str, str], known: Path, redirection: str
) -> None:
    call = shlex.join([*command, "match", "-", "--hashes", str(known)])
    done = subprocess.run(
        ["/bin/sh", "-c", f"{call} {redirection}"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error (bad_input): standard input cannot be read: ")


@pytest.mark.parametrize(("text", "code"), [("", 0), ("\n\n", 0), (NOWHERE, 0)])
def test_input_without_a_match_ends_with_0(typed: Run, text: str, code: int) -> None:
    with typed() as process:
        process.communicate(text)
    assert process.returncode == code


def test_hashes_and_standard_input_do_not_go_together(safelight: Run, known: Path) -> None:
    ran = safelight("match", "-", NOWHERE, "--hashes", known)
    assert (ran.code, ran.out) == (2, "")
    assert "give either hashes or -" in " ".join(ran.err.split())
