import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.bulk.rows import hash_row
from safelight.connectors.hash_files import (
    LONGEST_LINE,
    Guesses,
    HashFormat,
    parse_hash,
    read_hash_file,
    read_hashes,
)
from safelight.connectors.hash_records import Row
from safelight.errors import BadHash, BadHashFile, BadPath
from safelight.model import (
    Algorithm,
    Digests,
    FrameHashes,
    HashMode,
    HashRow,
    ImageHashes,
    Item,
    RejectedRow,
)

PDQ, MD5, SHA1, SHA256 = Algorithm.PDQ, Algorithm.MD5, Algorithm.SHA1, Algorithm.SHA256
P = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"
M = "0123456789abcdef0123456789abcdef"
S = "0123456789abcdef0123456789abcdef01234567"


def _read(data: bytes | str, **how: object) -> list[Row]:
    data = data.encode() if isinstance(data, str) else data
    return list(read_hashes(io.BufferedReader(io.BytesIO(data)), **how))  # type: ignore[arg-type]


def _row(line: int, algorithm: Algorithm, digits: str, *rest: object) -> HashRow:
    return HashRow(line, algorithm, bytes.fromhex(digits), *rest)  # type: ignore[arg-type]


def _guess(line: int) -> HashRow:
    """A bare hash of 64 digits, taken for PDQ."""
    return HashRow(line, PDQ, bytes.fromhex(P), guessed=True)


def test_plain_lines() -> None:
    text = f"# a comment\n\n{P}\r\n{M.upper()}\n  {S}  \nsha256:{P}\nSHA-1: {S}\npdq:{P}"
    assert _read(text) == [
        _guess(3),
        _row(4, MD5, M),
        _row(5, SHA1, S),
        _row(6, SHA256, P),
        _row(7, SHA1, S),
        _row(8, PDQ, P),
    ]


def test_a_stated_algorithm_holds_for_what_the_file_does_not_name() -> None:
    assert _read(f"{P}\npdq:{P}\n{M}", algorithm=SHA256) == [
        _row(1, SHA256, P),
        _row(2, PDQ, P),
        RejectedRow(3, "sha256 has 64 digits, not 32", M),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        # not digits, an odd number of them, a number that fits nothing
        ("zz" * 16, "not hexadecimal"),
        (P[:-1], "63 digits are no hash known here (MD5 32, SHA-1 40, PDQ 64)"),
        (P + "00", "66 digits are no hash known here (MD5 32, SHA-1 40, PDQ 64)"),
        # blanks between the digits, which bytes.fromhex would forgive
        (P[:30] + "  " + P[32:], "more than a hash in the line; of a file by md5sum or sha256sum "
         "keep the first word, and state the algorithm"),
        (f"{M}  photo.jpg", "more than a hash in the line; of a file by md5sum or sha256sum "
         "keep the first word, and state the algorithm"),
        # prefixes
        ("phash:0011", "'phash' is not an algorithm known here"),
        (f"md5:{P}", "md5 has 32 digits, not 64"),
        ("md5:", "md5 has 32 digits, not 0"),
        # what every empty file has
        ("d41d8cd98f00b204e9800998ecf8427e",
         "the md5 of an empty file, which would match every empty file"),
    ],
)  # fmt: skip
def test_a_bad_line_is_rejected_with_its_reason(line: str, reason: str) -> None:
    assert _read(f"{P}\n{line}\n{M}") == [
        _guess(1),
        RejectedRow(2, reason, line),
        _row(3, MD5, M),
    ]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_in_every_dress(mark: str, encoding: str) -> None:
    lines = ["PDQ-Hash|Quality|ID|Class|note", f'{P.upper()}|99|"ä 1"|A|x', f"{P}||||", "zz|5|||"]
    data = "\r\n".join(line.replace("|", mark) for line in lines).encode(encoding)
    assert _read(data) == [
        _row(2, PDQ, P, 99, "ä 1", "A"),
        _row(3, PDQ, P),
        RejectedRow(4, "not hexadecimal", f"zz{mark}5{mark * 3}"),
    ]


def test_csv_with_several_hashes_in_a_row() -> None:
    assert _read(f"id,md5,sha1,pdq,quality\n7,{M},{S},{P},80\n8,{M},,,\n9,,,,\n\n") == [
        _row(2, PDQ, P, 80, "7"),
        _row(2, MD5, M, None, "7"),
        _row(2, SHA1, S, None, "7"),
        _row(3, MD5, M, None, "8"),
        RejectedRow(4, "no hash in the row", "9,,,,"),
    ]


def test_csv_with_a_column_of_algorithms() -> None:
    assert _read(f"hash;type\n{P};sha256\n{P};pdq\n{P};\n{P};what\n") == [
        _row(2, SHA256, P),
        _row(3, PDQ, P),
        _guess(4),
        RejectedRow(5, "'what' is not an algorithm known here", f"{P};what"),
    ]


def test_csv_as_a_spreadsheet_writes_it_and_without_a_header() -> None:
    assert _read(f"sep=;\nmd5;x\n{M};1\n") == [_row(3, MD5, M)]
    assert _read(f"{M},x\n{P},y\n") == [_row(1, MD5, M), _guess(2)]


@pytest.mark.parametrize("quality", ["101", "-1", "x", "50.5", "nan", "inf"])
def test_a_bad_quality(quality: str) -> None:
    (row,) = _read(f"pdq,quality\n{P},{quality}\n")
    assert isinstance(row, RejectedRow)
    assert row.reason == f"the quality '{quality}' is not a whole number from 0 to 100"


def test_json_lines() -> None:
    lines = [
        json.dumps({"pdq": P, "quality": 80, "id": 7, "class": "A"}),
        "",
        json.dumps({"hash": P.upper(), "algorithm": "SHA256"}),
        json.dumps({"md5": M, "extra": {"a": 1}, "id": None}),
        "[]",
        '{"md5": ',
        json.dumps({"md5": [M]}),
    ]
    assert _read("\n".join(lines)) == [
        _row(1, PDQ, P, 80, "7", "A"),
        _row(3, SHA256, P),
        _row(4, MD5, M),
        RejectedRow(5, "not one JSON object in one line", "[]"),
        RejectedRow(6, "not one JSON object in one line", '{"md5":'),
        RejectedRow(7, "no hash in the row", lines[6]),
    ]


NOT_EXACT = (
    "a PDQ hash of the mode fast, which is for screening and not for lists: hash the file again "
    "with --mode exact"
)


def test_fast_hashes_are_rejected_and_their_digests_kept() -> None:
    lines = ["pdq,md5,mode", f"{P},{M},fast", f"{P},{M},exact", f"{P},{M},", f"{P},{M},own word"]
    exact = HashRow(3, PDQ, bytes.fromhex(P), mode=HashMode.EXACT)
    assert _read("\n".join(lines)) == [
        RejectedRow(2, NOT_EXACT, lines[1]),
        _row(2, MD5, M),
        *(exact, _row(3, MD5, M)),
        *(_row(4, PDQ, P), _row(4, MD5, M)),
        *(_row(5, PDQ, P), _row(5, MD5, M)),
    ]
    frames = [{"pdq": P, "pdq_quality": 3}, {"pdq": P[::-1]}]
    row = json.dumps({"pdq": P, "md5": M, "mode": "fast", "frames": frames})
    assert _read(row) == [RejectedRow(1, NOT_EXACT, row[:200]), _row(1, MD5, M)]


def test_every_hash_of_a_row_of_safelight_hash_is_read() -> None:
    frames = (
        FrameHashes(number=0, quality=80, dihedral=(P, *["00" * 32] * 7)),
        FrameHashes(
            number=5,
            quality=60,
            dihedral=("11" * 32,) * 8,
            stored=("22" * 32, *["00" * 32] * 7),
            stored_quality=40,
        ),
        FrameHashes(number=9, quality=80, dihedral=(P, *["00" * 32] * 7)),
    )
    moving = _hash_row(frames)
    assert _read(json.dumps({**moving, "id": "A-1", "class": "B"})) == [
        _exact(P, 80),
        _row(1, MD5, M, None, "A-1", "B"),
        _exact("11" * 32, 60),
        _exact("22" * 32, 40),
    ]
    turned = _hash_row(frames[1:2])
    assert _read(json.dumps({**turned, "id": "A-1", "class": "B"})) == [
        _exact("11" * 32, 60),
        _row(1, MD5, M, None, "A-1", "B"),
        _exact("22" * 32, 40),
    ]


def _exact(digits: str, quality: int) -> HashRow:
    return _row(1, PDQ, digits, quality, "A-1", "B", False, HashMode.EXACT)


def _hash_row(frames: tuple[FrameHashes, ...]) -> dict[str, object]:
    hashes = ImageHashes(
        digests=Digests(md5=M, sha1=S, sha256=P, size=1),
        format="gif",
        width=9,
        height=9,
        mode=HashMode.EXACT,
        frames=frames,
    )
    row = hash_row(b"a.gif", Item(examined=hashes))
    return {key: value for key, value in row.items() if key not in ("sha1", "sha256")}


def test_frames_of_another_program_do_no_harm() -> None:
    for frames in (25, "x", [], [1, None, {"pdq": [P]}], {"pdq": P}):
        row = json.dumps({"md5": M, "frames": frames, "stored_dihedral": [7]})
        assert _read(row) == [_row(1, MD5, M)]
    row = json.dumps({"md5": M, "frames": [{"pdq": "zz"}]})
    assert _read(row) == [_row(1, MD5, M), RejectedRow(1, "not hexadecimal", row)]


def test_the_format_can_be_given() -> None:
    assert _read(f"{M}\n", form=HashFormat.CSV) == [_row(1, MD5, M)]
    assert _read(f"{M},1\n", form=HashFormat.HEX) == [
        RejectedRow(1, "not hexadecimal", f"{M},1"),
    ]


def test_a_line_that_never_ends_is_one_rejected_row() -> None:
    data = b"a" * (3 * LONGEST_LINE) + b"\n" + M.encode()
    first, second = _read(data)
    assert isinstance(first, RejectedRow)
    assert len(first.text) == 200
    assert second == _row(2, MD5, M)


def test_an_open_quote_costs_its_own_rows_only() -> None:
    lines = ["md5,id", f'{M},"open'] + [f"{M},{number}" for number in range(5000)]
    rows = _read("\n".join(lines))
    assert any(isinstance(row, RejectedRow) for row in rows)
    assert rows[-1] == _row(5002, MD5, M, None, "4999")


@pytest.mark.parametrize(
    "data", [b"", b"\n# nothing\n", b"\x00\x01\x02\xff" * 99, b"hello\n", b"[]"]
)
def test_a_file_without_any_hash(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(BadHashFile, match="No hash could be read"):
        list(read_hash_file(path))


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(BadPath, match="Cannot read the hash file"):
            list(read_hash_file(path))


def test_reading_is_streamed(tmp_path: Path) -> None:
    path = tmp_path / "fifo.txt"
    path.write_text(f"{P}\n" * 100_000)
    rows = read_hash_file(path)
    assert next(rows) == _guess(1)
    rows.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "algorithms"),
    [
        (f" md5:{M} ", [MD5]),
        (M.upper(), [MD5]),
        (f"SHA-1: {'ab' * 20}", [Algorithm.SHA1]),
        ("ab" * 20, [Algorithm.SHA1]),
        # 64 digits alone may be either; a name decides, however people write it
        ("ab" * 32, [Algorithm.PDQ, Algorithm.SHA256]),
        (f"sha-256:{'ab' * 32}", [Algorithm.SHA256]),
        (f"SHA256:{'ab' * 32}", [Algorithm.SHA256]),
        (f"pdq:{'AB' * 32}", [Algorithm.PDQ]),
        (hashlib.sha256().hexdigest(), [Algorithm.PDQ]),
    ],
)
def test_one_hash(text: str, algorithms: list[Algorithm]) -> None:
    value = bytes.fromhex(text.rpartition(":")[2])
    assert parse_hash(text) == [(algorithm, value) for algorithm in algorithms]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("xyz", "not hexadecimal"),
        ("", "0 digits are no hash known here"),
        ("ab" * 31, "62 digits are no hash known here"),
        ("abc", "3 digits are no hash known here"),
        (f"md5:{'ab' * 20}", "md5 has 32 digits, not 40"),
        (f"crc32:{M}", "'crc32' is not an algorithm known here"),
        (f":{M}", "'' is not an algorithm known here"),
        (f"{M}  name.jpg", "more than a hash in the line"),
        (hashlib.md5(usedforsecurity=False).hexdigest(), "the md5 of an empty file"),
        ("٠" * 32, "not hexadecimal"),
    ],
)
def test_what_is_no_hash(text: str, reason: str) -> None:
    with pytest.raises(BadHash, match=f"is not a hash: .*{reason}"):
        parse_hash(text)


@pytest.mark.parametrize(
    ("values", "in_doubt"),
    [
        # PDQ has half of its bits set; one odd hash in thousands is nothing
        ([bytes.fromhex("0f" * 32)] * 20, False),
        ([bytes.fromhex("0f" * 32)] * 600 + [bytes(32)], False),
        ([bytes.fromhex("0f" * 32)] * 19 + [bytes(32)], True),
        # digests have not
        ([hashlib.sha256(bytes([number])).digest() for number in range(20)], True),
    ],
)
def test_digests_taken_for_pdq_are_noticed(values: list[bytes], in_doubt: bool) -> None:
    guesses = Guesses()
    rows = [row for row in _read("\n".join(map(bytes.hex, values))) if isinstance(row, HashRow)]
    assert list(guesses.take(rows)) == rows
    assert guesses.in_doubt is in_doubt


@given(st.binary(max_size=400), st.sampled_from([None, *HashFormat]))
def test_any_bytes_give_rows_and_no_other_error(data: bytes, form: HashFormat | None) -> None:
    for row in _read(data, form=form):
        assert isinstance(row, HashRow | RejectedRow)
        if isinstance(row, HashRow):
            assert len(row.value) == row.algorithm.size


@given(st.text(alphabet='0123456789abcdefABC,;\t"\n\r#:{}[]pdqms sep=\0\ud800', max_size=200))
def test_near_formats_give_rows_and_no_other_error(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    for form in (None, *HashFormat):
        assert all(isinstance(row, HashRow | RejectedRow) for row in _read(data, form=form))


def _hashes() -> st.SearchStrategy[list[tuple[Algorithm, bytes, int]]]:
    def one(algorithm: Algorithm) -> st.SearchStrategy[tuple[Algorithm, bytes, int]]:
        value = st.binary(min_size=algorithm.size, max_size=algorithm.size)
        return st.tuples(st.just(algorithm), value, st.integers(0, 100))

    return st.lists(st.sampled_from([PDQ, MD5, SHA1, SHA256]).flatmap(one), min_size=1, max_size=20)


@given(_hashes())
def test_what_is_written_is_read_again(rows: list[tuple[Algorithm, bytes, int]]) -> None:
    def quality(algorithm: Algorithm, number: int) -> int | None:
        return number if algorithm is PDQ else None

    def wanted(first: int) -> Iterator[HashRow]:
        for line, (algorithm, value, number) in enumerate(rows, first):
            yield HashRow(line, algorithm, value, quality(algorithm, number), str(line), "")

    plain = "\n".join(f"{algorithm}:{value.hex()}" for algorithm, value, _ in rows)
    assert [row[:3] for row in _read(plain)] == [row[:3] for row in wanted(1)]
    lines = [f"{a},{v.hex()},{q},{n}" for n, (a, v, q) in enumerate(rows, 2)]
    assert _read("\n".join(["algorithm,hash,quality,id", *lines])) == list(wanted(2))
    objects = [
        json.dumps({a: v.hex(), "quality": q, "id": n}) for n, (a, v, q) in enumerate(rows, 1)
    ]
    assert _read("\n".join(objects)) == list(wanted(1))


def test_no_hash_is_lost_in_a_csv_that_is_not_quite_one() -> None:
    # a quote that is not closed swallows lines: what stands in them is not passed over in silence
    rows = _read(f'md5,class\n{M},"open\n{M[::-1]},x\n{M},"closed"\n')
    assert [row.line for row in rows if isinstance(row, HashRow)] == [2]
    assert [row.line for row in rows if isinstance(row, RejectedRow)] == [3]
    # notes of several lines are fine
    assert _read(f'md5,class\n{M},"two\nlines"\n') == [_row(2, MD5, M, None, "", "two\nlines")]
    # columns without names, and columns of the same name
    assert _read(f"{M},{S},note\n") == [_row(1, MD5, M), _row(1, SHA1, S)]
    assert _read(f"md5,md5,id\n{M},{M[::-1]},7\n") == [
        _row(2, MD5, M, None, "7"),
        _row(2, MD5, M[::-1]),
    ]


def test_a_line_without_end_is_rejected_not_passed_over() -> None:
    rows = _read(" " * (LONGEST_LINE + 10) + P + "\n" + M + "\n")
    assert [type(row) for row in rows] == [RejectedRow, HashRow]


def test_a_json_array_of_one_object_a_line() -> None:
    text = json.dumps([{"md5": M}, {"sha1": S}], indent=None).replace("}, {", "},\n{")
    lines = text.replace("[{", "[\n{").replace("}]", "}\n]")
    assert _read(lines) == [_row(2, MD5, M), _row(3, SHA1, S)]
