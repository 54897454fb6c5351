"""`safelight match`: what each kind of hash finds, and the exit codes."""

import hashlib
import json
from collections.abc import Callable
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
    assert ran.rows == [
        {"hash": NOWHERE, "matches": []},
        {"hash": texts[1], "matches": [{**same, "algorithm": "pdq", "distance": 5}]},
        {"hash": texts[2], "matches": [{**same, "algorithm": "sha256", "distance": 0}]},
    ]


def test_64_digits_are_looked_up_as_pdq_and_as_sha256(
    safelight: Run, tmp_path: Path, pdq: str
) -> None:
    both = tmp_path / "both.csv"
    both.write_text(f"pdq,sha256\n{pdq},\n,{pdq}\n")

    def algorithms(text: str) -> list[tuple[str, int]]:
        (row,) = safelight("match", text, "--hashes", both, "--output", "json").rows
        return [(match["algorithm"], match["entry"]) for match in row["matches"]]

    assert algorithms(pdq) == [("pdq", 2), ("sha256", 3)]
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
