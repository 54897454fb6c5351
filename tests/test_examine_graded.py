"""What is already graded is not decoded, in real children; one that lies of it is caught."""

import io
import os
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from pictures import photo, saved

from safelight.examine import Examiner, make_pool, memory_file
from safelight.matching.graded import Graded, GradedRow
from safelight.model import (
    Algorithm,
    Container,
    Depth,
    Examined,
    Grade,
    ImageHashes,
    NotChecked,
    Skipped,
)
from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildPool
from safelight.settings import Settings

KNOWN = saved(photo().resize((90, 60)), "PNG")
OTHER = saved(photo("coffee").resize((90, 60)), "PNG")
GRADE = Grade(file="a.jsonl", verdict="known")


def graded(*files: bytes) -> Graded:
    return Graded(GradedRow(Algorithm.SHA256, sha256(one).digest(), GRADE) for one in files)


def walked(examiner: Examiner, data: bytes, *, archives: bool = True) -> list[Examined]:
    fd = memory_file(data)
    try:
        return [item.examined for item in examiner.walk(fd, Depth(archives=archives))]
    finally:
        os.close(fd)


def zipped(*files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, data in enumerate(files):
            archive.writestr(zipfile.ZipInfo(f"{number}.png"), data)
    return out.getvalue()


ARCHIVE = zipped(KNOWN, OTHER)


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examiner]:
    with make_pool(Settings(), children=1) as pool:
        yield Examiner(pool, graded=graded(KNOWN, ARCHIVE))


def test_a_graded_file_is_digested_and_not_decoded(examiner: Examiner):
    (found,) = walked(examiner, KNOWN)
    assert isinstance(found, Skipped)
    assert (found.grade, found.kind, found.format) == (GRADE, "image", "png")
    assert found.digests.sha256 == sha256(KNOWN).hexdigest()
    (found,) = walked(examiner, OTHER)
    assert isinstance(found, ImageHashes)


def test_an_archive_is_opened_all_the_same_and_its_members_left_out(examiner: Examiner):
    assert [type(one) for one in walked(examiner, ARCHIVE)] == [Skipped, ImageHashes, Container]
    assert [type(one) for one in walked(examiner, ARCHIVE, archives=False)] == [Skipped]


def test_the_same_without_children():
    here = Examiner(None, graded=graded(KNOWN))
    assert [type(one) for one in walked(here, KNOWN)] == [Skipped]
    assert [type(one) for one in walked(here, OTHER)] == [ImageHashes]
    assert [type(one) for one in walked(Examiner(None), KNOWN)] == [ImageHashes]


@pytest.fixture(scope="module")
def hostile() -> Iterator[ChildPool]:
    limits = Limits(memory_mb=1024, wall_seconds=5.0)
    here = [str(Path(__file__).parent)]
    with ChildPool("examine_attacks:work", children=1, limits=limits, search_path=here) as pool:
        yield pool


def test_a_child_that_says_graded_of_what_is_not_is_not_believed(hostile: ChildPool):
    (found,) = walked(Examiner(hostile, graded=graded(KNOWN)), b"lie about grade\n")
    assert isinstance(found, NotChecked)
    assert found.code == "crashed"
    assert found.digests is not None


def test_nobody_asked_for_grades(hostile: ChildPool):
    (found,) = walked(Examiner(hostile), b"lie about grade\n")
    assert isinstance(found, NotChecked)
    assert found.code == "crashed"
