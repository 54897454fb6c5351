"""Size and times of a file: all digits, of the file as it was before it was read."""

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.bulk.stamp import Stamp, stamp_of, utc_text

BILLION = 1_000_000_000


def stamped(path: Path) -> Stamp:
    fd = os.open(path, os.O_RDONLY)
    try:
        return stamp_of(fd)
    finally:
        os.close(fd)


def nanoseconds(text: str) -> int:
    """The way back, to show that nothing is lost."""
    if text.startswith("@"):
        seconds, _, rest = text[1:].partition(".")
        return int(seconds) * BILLION + int(rest)
    head, _, rest = text.removesuffix("Z").partition(".")
    moment = datetime.strptime(head, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * BILLION + int(rest)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (-62135596800 * BILLION, "0001-01-01T00:00:00.000000000Z"),
        (-62135596801 * BILLION, "@-62135596801.000000000"),  # no calendar has it
        (253402300800 * BILLION + 7, "@253402300800.000000007"),
    ],
)
def test_times_as_text(time: int, text: str):
    assert utc_text(time) == text


@given(st.integers(-(1 << 80), 1 << 80))
def test_no_time_loses_a_nanosecond(time: int):
    assert nanoseconds(utc_text(time)) == time


def test_a_stamp_is_that_of_the_file_system(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"seven b")
    os.utime(path, ns=(1_000_000_001, 1_234_567_890_123_456_789))
    stamp = stamped(path)
    found = path.stat()
    assert (stamp.size, stamp.modified) == (7, "2009-02-13T23:31:30.123456789Z")
    assert stamp.changed == utc_text(found.st_ctime_ns)
    assert stamp.accessed is None  # this medium can be written to: anybody may change it
    assert set(stamp.to_json()["times"]) <= {"modified", "changed", "born"}


def test_the_time_of_birth_is_that_which_stat_tells(tmp_path: Path):
    path = tmp_path / "file"
    path.touch()
    told = subprocess.run(
        ["/usr/bin/stat", "--format=%w", path], capture_output=True, text=True, check=True,
        env={**os.environ, "TZ": "UTC"},
    ).stdout.strip()  # fmt: skip
    if told == "-":
        pytest.skip("this file system has no time of birth")
    assert stamped(path).born == re.sub(r"^(\S+) (\S+) \S+$", r"\1T\2Z", told)


def test_of_a_read_only_medium_the_access_time_is_told():
    here = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [Path(line.split()[4]) for line in here if line.split()[5].split(",")[0] == "ro"]
    for place in places:
        files = (path for path in place.iterdir() if path.is_file()) if place.is_dir() else ()
        for path in files:
            if os.access(path, os.R_OK):
                assert stamped(path).accessed == utc_text(path.stat().st_atime_ns)
                return
    pytest.skip("nothing is mounted read-only here")
