"""Videos as `vpdq` 0.2.5 and threatexchange 1.2.17 write them."""

import io
import json
from pathlib import Path

import pytest

from safelight.connectors.hash_files import HashFormat, read_hash_file, read_hashes
from safelight.connectors.hash_text import Row
from safelight.connectors.hash_video import parse_frames, to_vpdq
from safelight.model import Algorithm, HashRow, RejectedRow, VideoFrame, video_value

P = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"
Q = "0" * 64
FRAMES = (VideoFrame(0, 100, bytes.fromhex(P)), VideoFrame(1001, 7, bytes.fromhex(Q)))
TEXTS = [f"{P},100,0.000", f"{Q},7,1.001"]


def _read(text: str, **how: object) -> list[Row]:
    return list(read_hashes(io.BufferedReader(io.BytesIO(text.encode())), **how))  # type: ignore[arg-type]


def _video(line: int, *said: str, frames: tuple[VideoFrame, ...] = FRAMES) -> HashRow:
    return HashRow(line, Algorithm.VPDQ, video_value(frames), None, *said, frames=frames)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(TEXTS),
        json.dumps(TEXTS[::-1], indent=2),  # frames are put in order of time
        json.dumps([f"{P.upper()}, 100, 0", f"{Q},7,1.001"]),
        # as `vpdq-hash-video` writes it: frame, quality, hash, seconds
        f"0,100,{P},0.000\n30,7,{Q},1.001\n",
    ],
)
def test_a_video_a_file(text: str) -> None:
    assert _read(text) == [_video(1)]


def test_the_older_json_of_objects() -> None:
    frames = {
        "0": {"quality": 100, "hash": P, "timestamp": 0.0},
        "30": {"quality": 7, "hash": Q, "timestamp": 1.001},
    }
    assert _read(json.dumps(frames), form=HashFormat.VPDQ) == [_video(1)]


def test_videos_among_json_lines_and_rows_of_safelight_hash() -> None:
    ours = [
        {"frame": 0, "pdq": P, "pdq_quality": 100, "time": 0.0, "dihedral": [P]},
        {"frame": 30, "pdq": Q, "pdq_quality": 7, "time": 1.001, "dihedral": [Q]},
    ]
    md5 = "0" * 31 + "1"
    lines = [
        {"vpdq": TEXTS, "id": 7, "class": "A"},
        {"hash": json.dumps(TEXTS), "type": "vpdq"},
        {"md5": md5, "frames": ours, "kind": "video"},
        {"vpdq": []},
    ]
    assert _read("\n".join(map(json.dumps, lines))) == [
        _video(1, "7", "A"),
        _video(2),
        _video(3),
        HashRow(3, Algorithm.MD5, bytes.fromhex(md5)),
        RejectedRow(4, "a video (vpdq) is a JSON list of frames", '{"vpdq": []}'),
    ]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (f"{P},101,0", "its quality is not from 0 to 100"),
        (f"{P},5.5,0", "its quality or time is not a number"),
        (f"{P},5,-1", "its time is not one of a video"),
        (f"{P},5,nan", "its time is not one of a video"),
        (f"{P},5,1e300", "its time is not one of a video"),
        (f"{P[:-1]},5,1", "its hash is not 64 hexadecimal digits"),
        (f"{P},5", "not hash,quality,seconds"),
        (7, "neither a text nor an object"),
        ({}, "its hash is not 64 hexadecimal digits"),
    ],
)
def test_a_bad_frame(frame: object, reason: str) -> None:
    assert parse_frames([TEXTS[0], frame]) == f"frame 1 of the video: {reason}"


def test_a_bad_line_of_a_video_is_rejected_and_the_others_kept() -> None:
    rows = _read(f"0,100,{P},0.000\nnonsense\n30,7,{Q},1.001\n")
    assert rows == [
        RejectedRow(2, "not frame,quality,hash,seconds: not four fields", "nonsense"),
        _video(1),
    ]


def test_what_is_written_is_read_again() -> None:
    assert parse_frames(to_vpdq(FRAMES)) == FRAMES
    # its own program writes three digits in all: 1.23e+03 seconds
    assert parse_frames([f"{P},100,1.23e+03"]) == (VideoFrame(1_230_000, 100, bytes.fromhex(P)),)


def test_a_video_in_a_csv_of_the_dataset_command(tmp_path: Path) -> None:
    cell = json.dumps(TEXTS).replace('"', '""')
    path = tmp_path / "collab.csv"
    path.write_text(
        f'signal_type,signal_str,collab,category,tags\nvpdq,"{cell}",x,POSITIVE_CLASS,\n'
    )
    assert list(read_hash_file(path)) == [_video(2, "", "POSITIVE_CLASS")]
