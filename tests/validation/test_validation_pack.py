"""The pack: the same every time, true to its reference, and able to find fault."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pdqhash
import pytest

from safelight.errors import BadPath, CorruptFile
from safelight.validation.check import check, signature
from safelight.validation.expect import Expected, disagreements
from safelight.validation.pack import Pack, all_samples, make_pack, read_pack
from safelight.validation.pictures import PATTERNS, pattern
from safelight.validation.zip_crypto import locked_zip


@pytest.mark.parametrize("number", range(len(PATTERNS)))
def test_the_patterns_have_the_hashes_that_the_reference_gives(number: int):
    bits, quality = pdqhash.compute(np.asarray(pattern(number)))
    assert (np.packbits(bits).tobytes().hex(), quality) == (PATTERNS[number], 100)


def test_the_locked_zip_is_one_that_other_programs_open():
    data = b"what lies in it" * 100
    with zipfile.ZipFile(io.BytesIO(locked_zip("a.txt", data, b"open"))) as archive:
        assert archive.read("a.txt", pwd=b"open") == data
        with pytest.raises(RuntimeError, match="Bad password"):
            archive.read("a.txt", pwd=b"shut")


def test_names_are_given_once():
    items = [(one.file, one.inside) for made in all_samples() for one in made.expected]
    assert len(items) == len(set(items)) > 50


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return make_pack(tmp_path_factory.mktemp("validation") / "pack")


def test_a_pack_is_read_as_it_was_made(pack: Pack, tmp_path: Path):
    assert read_pack(pack.folder) == pack
    with pytest.raises(BadPath, match="is not empty"):
        make_pack(pack.folder)
    (tmp_path / "expected.jsonl").write_text("{\n")
    with pytest.raises(CorruptFile):
        read_pack(tmp_path)


def test_two_packs_of_one_machine_are_the_same(pack: Pack, tmp_path: Path):
    digests = []
    for one in (pack, make_pack(tmp_path / "two")):
        files = sorted(path for path in one.folder.rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).digest() for path in files])
    assert digests[0] == digests[1]


EXPECTED = Expected(
    capability="x", file="a.png", verdicts=("known", "similar"), orientation="rot90", most_bits=8,
    flags=("turned",), fully_checked=True, algorithm="pdq",
)  # fmt: skip
MATCH = {"algorithm": "pdq", "distance": 8, "orientation": "rot90"}
GOOD = {"verdict": "similar", "fully_checked": True, "flags": ["turned"], "matches": [MATCH]}


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        (GOOD, []),
        (None, ["there is no row of it"]),
        (GOOD | {"verdict": "no_match"}, ["verdict no_match instead of known or similar"]),
        (GOOD | {"code": "empty"}, ["code empty instead of none"]),
        (GOOD | {"flags": []}, ["flag turned is missing"]),
        (GOOD | {"fully_checked": False}, ["fully checked: False"]),
        (GOOD | {"matches": []}, ["no match by pdq"]),
        (
            GOOD | {"matches": [MATCH | {"distance": 9}]},
            ["9 bits away instead of at most 8"],
        ),
        (
            GOOD | {"matches": [MATCH | {"orientation": "identity"}]},
            ["orientation identity instead of rot90"],
        ),
    ],
)
def test_every_fault_is_named(row, wrong):
    assert list(disagreements(EXPECTED, row)) == wrong


def test_a_scene_at_another_time_is_a_fault():
    expected = Expected(capability="x", file="v", verdicts=("similar",), at=10.0)
    scene = {"start": 8, "end": 12, "list_start": 0, "list_end": 4}
    row = {"verdict": "similar", "fully_checked": True, "matches": [MATCH | {"scenes": [scene]}]}
    assert list(disagreements(expected, row)) == []
    row["matches"] = [MATCH | {"scenes": [scene | {"end": 9}], "time": 8.0}]
    assert list(disagreements(expected, row)) == []  # within two seconds
    row["matches"] = [MATCH | {"time": 7.0}]
    assert list(disagreements(expected, row)) == ["no scene at 10 seconds"]


def test_the_signature_changes_with_a_fault(pack: Pack):
    nothing = check(pack, [])
    assert {one.wrong for one in nothing} == {("there is no row of it",)}
    path = str(pack.collection / "empty.jpg")
    row = {"path": path, "verdict": "unreadable", "code": "empty", "fully_checked": False}
    one = check(pack, [row | {"matches": []}])
    assert sum(not one.wrong for one in one) == 1
    assert signature(nothing) == signature(check(pack, []))
    assert signature(nothing) != signature(one)
