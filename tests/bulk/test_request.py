"""What a scan was asked, kept on disk, and what its rows call the files."""

import json

import pytest

from safelight.bulk.exhibit import Exhibit
from safelight.bulk.request import ScanRequest, Verifies, limits_of
from safelight.errors import BadSetting
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import Algorithm, Depth, FrameSampling
from safelight.settings import Settings

WHOLE = ScanRequest(
    scan_id="20261122-010203-abcd",
    roots=(b"/mnt/second", b"/mnt/file\xff"),
    inodes=(1, 2),
    named=(b"/mnt/first", b"/mnt/other"),
    result="/r/rows.jsonl",
    sources=Sources(lists=("hotline",), algorithm=Algorithm.MD5),
    policy=MatchPolicy(radius=9, min_quality=60, video_percent=70, scene_seconds=9.5),
    depth=Depth(video=FrameSampling.KEY_FRAMES, archives=True),
    fingerprint="f" * 32,
    limits=limits_of(Settings(max_pixels=7)),
    exhibit=Exhibit(number="E/1", examiner="E4", authority="order 12"),
    graded=("/g/a.jsonl",),
    graded_fingerprint="g" * 32,
    verifies=Verifies(path="/r/first.jsonl", sha256="a" * 64),
    ended=True,
)


def test_everything_that_was_asked_is_kept():
    assert ScanRequest.from_json(json.loads(json.dumps(WHOLE.to_json()))) == WHOLE


def test_limits_are_those_it_began_with_and_others_are_named():
    WHOLE.check_limits(Settings(max_pixels=7, contact="another", actor="another"))
    with pytest.raises(BadSetting) as refused:
        WHOLE.check_limits(Settings(decode_seconds=5))
    said = str(refused.value)
    assert "SAFELIGHT_MAX_PIXELS was 7 and is 120000000" in said
    assert "SAFELIGHT_DECODE_SECONDS was 60 and is 5" in said
    assert "SAFELIGHT_VIDEO_FRAMES" not in said


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"/mnt/second", b"/mnt/first"),
        (b"/mnt/second/a/b\xff", b"/mnt/first/a/b\xff"),
        (b"/mnt/file\xff", b"/mnt/other"),
        (b"/mnt/second-not", b"/mnt/second-not"),  # a name that only begins alike
    ],
)
def test_rows_name_files_as_the_first_scan_did(path: bytes, name: bytes):
    assert WHOLE.name_of(path) == name


def test_a_root_may_be_the_whole_system():
    root = ScanRequest(
        **{name: getattr(WHOLE, name) for name in WHOLE.__dataclass_fields__}
        | {"roots": (b"/",), "named": (b"/mnt/x",)}
    )
    assert root.name_of(b"/a/b") == b"/mnt/x/a/b"


def test_without_names_files_are_called_what_they_are():
    plain = ScanRequest(
        **{name: getattr(WHOLE, name) for name in WHOLE.__dataclass_fields__} | {"named": ()}
    )
    assert plain.name_of(b"/mnt/second/a") == b"/mnt/second/a"
