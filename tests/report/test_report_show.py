"""What people see of names that somebody else chose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.matching.reasons import clock
from safelight.report.show import place, plain, short_time, visible


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"/m/plain.png", "/m/plain.png"),
        ("/m/写真 été.png".encode(), "/m/写真 été.png"),
        (b"/m/\xff.png", r"/m/\xff.png"),
        (b"/m/line\nbreak\ttab", r"/m/line\nbreak\ttab"),
        ("/m/abc\u202egnp.exe".encode(), r"/m/abc\u202egnp.exe"),  # would read abcexe.png
        ("/m/\u2066x".encode(), r"/m/\u2066x"),
        ("/m/a\u200bb".encode(), r"/m/a\u200bb"),  # a space of no width
        (rb"/m/\xff.png", r"/m/\\xff.png"),  # these very characters
        (b"/m/\x00\x1b[31m", r"/m/\x00\x1b[31m"),
    ],
)
def test_names_cannot_mislead(path: bytes, shown: str):
    assert visible(path) == shown


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_two_names_are_never_shown_alike(one: bytes, other: bytes):
    assert (visible(one) == visible(other)) is (one == other)
    assert visible(one).isprintable()


def test_a_long_name_is_cut_and_says_so():
    shown = visible(b"x" * 4000)
    assert shown.endswith("… (3,000 characters more)")
    assert len(plain("y" * 4000)) == 1001


def test_a_place_is_the_way_in():
    row = {
        "path": "/m/a.zip",
        "derivation": [
            {"kind": "archive_member", "name": "in\ufffd.zip", "name_b64": "aW7/LnppcA=="},
            {"kind": "archive_member", "name": "b.png"},
        ],
    }
    assert place(row) == ["/m/a.zip", r"in\xff.zip", "b.png"]


def test_times_are_shown_to_the_second():
    assert short_time("2026-01-02T03:04:05.123456789Z") == "2026-01-02 03:04:05"
    assert short_time("@-99.000000001") == "@-99.000000001"
    assert [clock(75.9), clock(7207)] == ["1:15", "2:00:07"]
