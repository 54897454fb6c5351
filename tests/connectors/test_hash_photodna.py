"""PhotoDNA hashes, of made-up bytes: in every way that files write them."""

import io
from base64 import b64encode
from pathlib import Path

import pytest

from safelight.connectors.hash_files import parse_hash, read_hashes
from safelight.connectors.hash_photodna import parse_photodna
from safelight.connectors.hash_text import Row
from safelight.errors import BadHash
from safelight.matching.load import Sources, load_files
from safelight.matching.rules import MatchPolicy
from safelight.model import Algorithm, Digests, HashRow, NotChecked, RejectedRow

VALUE = bytes((7 * n + 200) % 256 for n in range(144))
BASE64 = b64encode(VALUE).decode()
NUMBERS = ",".join(map(str, VALUE))


@pytest.mark.parametrize("text", [BASE64, VALUE.hex(), VALUE.hex().upper(), NUMBERS])
def test_every_way_to_write_one(text: str) -> None:
    assert parse_photodna(text) == VALUE
    assert parse_hash(f"photodna:{text}") == [(Algorithm.PHOTODNA, VALUE)]
    assert parse_hash(f" PhotoDNA: {text} ") == [(Algorithm.PHOTODNA, VALUE)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAA",
        BASE64[:-4],
        BASE64 + "AAAA",
        BASE64[:-1] + "=",
        BASE64[:-1] + "-",  # base64 for URLs is not what files hold
        VALUE.hex()[:-2],
        NUMBERS + ",0",
        NUMBERS.replace("200", "256", 1),
        NUMBERS.replace("200", "-20", 1),
        NUMBERS.replace("200", "٢", 1),  # a digit, and not one of ours
        NUMBERS.replace("200", "", 1),
    ],
)
def test_what_is_none(text: str) -> None:
    reason = parse_photodna(text)
    assert isinstance(reason, str)
    assert reason.startswith("not a PhotoDNA hash: ")
    with pytest.raises(BadHash):
        parse_hash(f"photodna:{text}")


def _read(text: str, name: str = "", algorithm: Algorithm | None = None) -> list[Row]:
    file = io.BufferedReader(io.BytesIO(text.encode()))
    return list(read_hashes(file, name=name, algorithm=algorithm))


ROW = HashRow(1, Algorithm.PHOTODNA, VALUE)


def test_files_of_lines() -> None:
    assert _read(f"photodna:{BASE64}\nphotodna:{VALUE.hex()}\n") == [ROW, ROW._replace(line=2)]
    assert _read(f"{VALUE.hex()}\n") == [ROW]
    assert _read(f"{BASE64}\n", algorithm=Algorithm.PHOTODNA) == [ROW]
    (rejected,) = _read(f"{BASE64}\n")
    assert isinstance(rejected, RejectedRow)  # what it is must be said


def test_tables() -> None:
    said = ROW._replace(line=2, their_id="7", their_class="B")
    for text in (BASE64, VALUE.hex(), f'"{NUMBERS}"'):
        assert _read(f"photodna,id,class\n{text},7,B\n") == [said]
    row = f"type,value\nPhotoDNA,{BASE64}\n"
    assert _read(row) == [ROW._replace(line=2)]
    md5 = "ab" * 16
    assert _read(f"x,{md5},{VALUE.hex()}\n", name="a.csv") == [
        HashRow(1, Algorithm.MD5, bytes.fromhex(md5)),
        ROW,
    ]


def test_objects_and_signals() -> None:
    said = ROW._replace(their_id="7")
    assert _read(f'{{"photodna": "{BASE64}", "id": 7}}\n') == [said]
    assert _read(f'{{"photo_dna": "{NUMBERS}", "id": 7}}\n') == [said]
    assert _read(f'{{"hash": "{VALUE.hex()}", "algorithm": "photodna", "id": 7}}\n') == [said]
    assert _read(f"photodna {BASE64}\nphotodna {NUMBERS}\n") == [ROW, ROW._replace(line=2)]


def test_it_is_matched_only_where_it_is_equal(tmp_path: Path) -> None:
    path = tmp_path / "opaque.txt"
    near = bytes([VALUE[0] ^ 1, *VALUE[1:]])
    path.write_text(f"photodna:{BASE64}\n")
    matcher = load_files(Sources(hashes=(str(path),))).matcher
    policy = MatchPolicy()
    found = matcher.hash_hits(Algorithm.PHOTODNA, VALUE, policy)
    assert [(hit.match.entry, hit.match.distance) for hit in found] == [(1, 0)]
    assert matcher.hash_hits(Algorithm.PHOTODNA, near, policy) == []
    digests = Digests(md5="00" * 16, sha1="00" * 20, sha256="00" * 32, size=1)
    file = NotChecked(code="not_a_picture", message="", digests=digests)
    assert matcher.hits(file, policy) == []  # none is ever made of a file
