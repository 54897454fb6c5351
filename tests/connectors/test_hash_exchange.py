"""Signal files as threatexchange 1.2.17 writes them (`exchanges/impl/file_api.py`)."""

import io
import json

import pytest

from safelight.connectors.hash_exchange import signal_line
from safelight.connectors.hash_files import HashFormat, read_hashes
from safelight.connectors.hash_text import Row
from safelight.model import Algorithm, HashRow, RejectedRow, VideoFrame, video_value

P = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"
M = "0123456789abcdef0123456789abcdef"
FRAMES = tuple(VideoFrame(1000 * n, 50, bytes([n]) * 32) for n in range(3))
VIDEO = json.dumps([f"{frame.value.hex()},50,{n:.3f}" for n, frame in enumerate(FRAMES)])


def _read(text: str, **how: object) -> list[Row]:
    return list(read_hashes(io.BufferedReader(io.BytesIO(text.encode())), **how))  # type: ignore[arg-type]


def test_every_type_of_signal() -> None:
    lines = [
        f"pdq {P}",
        f"video_md5 {M}",
        f"video_sha256 {P}",
        f"vpdq {VIDEO}",
        "raw_text some words",
        "url https://example.org/",
        f"url_md5 {M}",
        "nonsense abc",
        "",
        f"pdq {M}",
    ]
    assert _read("\n".join(lines)) == [
        HashRow(1, Algorithm.PDQ, bytes.fromhex(P)),
        HashRow(2, Algorithm.MD5, bytes.fromhex(M)),
        HashRow(3, Algorithm.SHA256, bytes.fromhex(P)),
        HashRow(4, Algorithm.VPDQ, video_value(FRAMES), frames=FRAMES),
        RejectedRow(
            5, "a signal of the type raw_text: text, not a hash of a file", "raw_text some words"
        ),
        RejectedRow(
            6, "a signal of the type url: an address, not a hash of a file", lines[5]
        ),
        RejectedRow(
            7, "a signal of the type url_md5: the hash of an address, not of a file", lines[6]
        ),
        RejectedRow(8, "a signal of the type nonsense: not a hash known here", "nonsense abc"),
        RejectedRow(10, "pdq has 64 digits, not 32", f"pdq {M}"),
    ]  # fmt: skip


def test_what_the_dataset_command_prints_behind_a_hash_is_left_aside() -> None:
    text = f"pdq {P} 'Sample Signals' POSITIVE_CLASS\nvpdq {VIDEO} 'Sample Signals' x\n"
    assert [row[:3] for row in _read(text)] == [
        (1, Algorithm.PDQ, bytes.fromhex(P)),
        (2, Algorithm.VPDQ, video_value(FRAMES)),
    ]


def test_a_file_without_types_is_of_the_stated_one() -> None:
    rows = _read(f"{P}\n", form=HashFormat.THREATEXCHANGE, algorithm=Algorithm.SHA256)
    assert rows == [HashRow(1, Algorithm.SHA256, bytes.fromhex(P))]


def test_a_long_video_is_one_line() -> None:
    frames = tuple(VideoFrame(1000 * n, 50, n.to_bytes(32, "big")) for n in range(20_000))
    line = signal_line(Algorithm.VPDQ, video_value(frames), frames)
    assert line is not None
    assert len(line) > 1 << 20
    assert _read(f"{line}\n") == [HashRow(1, Algorithm.VPDQ, video_value(frames), frames=frames)]


@pytest.mark.parametrize(
    ("algorithm", "value", "line"),
    [
        (Algorithm.PDQ, bytes(32), f"pdq {'00' * 32}"),
        (Algorithm.MD5, bytes(16), f"video_md5 {'00' * 16}"),
        (Algorithm.SHA1, bytes(20), None),
    ],
)
def test_the_line_of_a_hash(algorithm: Algorithm, value: bytes, line: str | None) -> None:
    assert signal_line(algorithm, value, ()) == line
