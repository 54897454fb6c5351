"""Reference pages are those of this code."""

import ast
import importlib.util
import re
from dataclasses import fields, replace
from types import ModuleType

import pytest
from pages import DOCS, ROOT

from safelight.bulk.rows import exhibit_fields, hash_row, scan_row
from safelight.bulk.stamp import Stamp
from safelight.decode.rules import FLAGS, REASONS
from safelight.matching.rules import PARTIAL, Hit, MatchPolicy, Standing, judge
from safelight.model import (
    Algorithm,
    Answer,
    Container,
    Digests,
    FrameHashes,
    FrameSampling,
    Grade,
    HashMode,
    ImageHashes,
    Item,
    Match,
    Member,
    NotChecked,
    Scene,
    Skipped,
    Verdict,
    VideoHashes,
    VideoMatch,
)
from safelight.settings import Settings

SOURCES = sorted((ROOT / "src").rglob("*.py"))


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()


def reference(name: str) -> str:
    return (DOCS / "reference" / name).read_text("utf-8")


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "errors.md"])
def test_generated_pages_are_up_to_date(name: str):
    assert reference(name) == generate.pages()[name], "run: make docs"


def test_every_command_and_option_is_on_the_page():
    page = reference("cli.md")
    for words, command in generate.commands():
        assert f" safelight {' '.join(words)}\n" in page
        for parameter in command.params:
            is_option = parameter.opts[0].startswith("-")
            names = parameter.opts if is_option else [parameter.metavar or parameter.name]
            assert all(name in page for name in names), (words, names)


def test_every_setting_is_on_the_page():
    page = reference("settings.md")
    for spec in fields(Settings):
        assert f"`SAFELIGHT_{spec.name.upper()}`" in page


def test_every_variable_the_code_speaks_of_is_a_setting_on_the_page():
    page = reference("settings.md")
    named = {
        name
        for path in SOURCES
        for name in re.findall(r"\bSAFELIGHT_[A-Z_]+[A-Z]\b", path.read_text("utf-8"))
    }
    assert {name for name in named if f"`{name}`" not in page} == set()


def test_every_error_code_in_the_code_is_on_the_page():
    page = reference("errors.md")
    codes = set(REASONS) | {
        node.value.value
        for node in ast.walk(ast.parse((ROOT / "src/safelight/errors.py").read_text("utf-8")))
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Constant)
        and getattr(node.targets[0] if isinstance(node, ast.Assign) else node.target, "id", "")
        == "code"
    }
    assert len(codes) > 20
    assert {code for code in codes if f"`{code}`" not in page} == set()


# --- rows -----------------------------------------------------------------------------------------

DIHEDRAL = ("ab" * 32,) * 8
DIGESTS = Digests(md5="0" * 32, sha1="1" * 40, sha256="2" * 64, size=7)


def frame(number: int) -> FrameHashes:
    return FrameHashes(number=number, quality=100, dihedral=DIHEDRAL, stored=DIHEDRAL)


def image(*frames: FrameHashes) -> ImageHashes:
    return ImageHashes(
        digests=DIGESTS, format="gif", width=8, height=9, mode=HashMode.EXACT, frames=frames
    )


def answer(examined: ImageHashes | NotChecked) -> Answer:
    match = Match(list_name="a", entry=1, algorithm=Algorithm.MD5, distance=0)
    return Answer(verdict=Verdict.KNOWN, reasons=("a: b",), matches=(match,), examined=examined)


BROKEN = NotChecked(code="empty", message="The file is empty.")
NOT_UTF8 = b"\xff"
GRADE = Grade(file="a.jsonl", verdict="known", their_class="A1")
SKIPPED = Skipped(digests=DIGESTS, kind="image", format="gif", grade=GRADE)
SCENE = Scene(start=1, end=2, list_start=3, list_end=4)
VIDEO_MATCH = Match(
    list_name="a", entry=1, algorithm=Algorithm.VPDQ, distance=2, time=1.5,
    video=VideoMatch(query_percent=10, list_percent=90, scenes=(SCENE,)),
)  # fmt: skip
VIDEO = VideoHashes(
    digests=DIGESTS, format="mp4", width=8, height=9, duration=2.0,
    sampling=FrameSampling.SECOND, frames=(frame(0),),
)  # fmt: skip
OF_VIDEO = Answer(
    verdict=Verdict.SIMILAR, reasons=(), matches=(VIDEO_MATCH,), examined=VIDEO,
    observed=(VIDEO_MATCH,),
)  # fmt: skip
CONTAINER = Container(digests=DIGESTS, kind="archive", format="zip", members=1)
OF_CONTAINER = Answer(verdict=Verdict.NO_MATCH, reasons=(), examined=CONTAINER)
OF_SKIPPED = Answer(verdict=Verdict.SKIPPED, reasons=(), examined=SKIPPED)
MEMBER = Member(name=NOT_UTF8, kind="archive_member", modified="2026-01-02T03:04:06")
STAMP = Stamp(size=7, modified="m", changed="c", accessed="a", born="b")


@pytest.mark.parametrize(
    "row",
    [
        scan_row(NOT_UTF8, answer(image(frame(0)))),
        scan_row(b"a", answer(BROKEN)),
        scan_row(b"a", OF_VIDEO),
        scan_row(b"a", OF_CONTAINER, [MEMBER]),
        scan_row(b"a", OF_SKIPPED, more=exhibit_fields("E/1", OF_SKIPPED, STAMP)),
        hash_row(NOT_UTF8, Item(examined=image(frame(0)))),
        hash_row(b"a", Item(examined=image(frame(0), frame(1)))),
        hash_row(b"a", Item(examined=BROKEN)),
    ],
)
def test_every_field_of_a_row_is_documented(row):
    page = reference("scan-results.md")
    names = set(row)
    frames = row.get("frames", ())
    lists = [row.get(name, ()) for name in ("matches", "derivation", "observed")]
    lists.append(frames if isinstance(frames, list) else ())
    for inner in [one for some in lists for one in some]:
        names |= set(inner)
        names |= {name for scene in inner.get("scenes", ()) for name in scene}
    for name in ("error", "times", "earlier"):
        names |= set(row.get(name, {}))
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_every_flag_is_documented():
    page = reference("scan-results.md")
    assert {flag for flag in FLAGS if f"| `{flag}` |" not in page} == set()


def words_of_reasons() -> set[str]:
    """The stable words in front of the reasons that the rules can give."""
    policy = MatchPolicy(radius=31, min_quality=50)
    hits = [
        Hit(match=Match(list_name="a", entry=entry, algorithm=algorithm, distance=0), quality=entry)
        for algorithm in Algorithm
        for entry in (10, 100)
    ]
    near = Hit(match=Match(list_name="a", entry=1, algorithm=Algorithm.PDQ, distance=9))
    place = VideoMatch(query_percent=1, list_percent=1, scenes=(Scene(
        start=0, end=0, list_start=1, list_end=1,
    ),))  # fmt: skip
    hits += [near, replace(near, match=replace(
        near.match, algorithm=Algorithm.VPDQ, video=place
    ))]  # fmt: skip
    listed = Match(list_name="b", entry=1, algorithm=Algorithm.MD5, distance=0)
    ignored = [near, Hit(match=listed, standing=Standing.IGNORE)]
    poor = FrameHashes(number=0, quality=3, dihedral=DIHEDRAL)
    cut = ImageHashes(
        digests=DIGESTS, format="gif", width=8, height=9, mode=HashMode.EXACT,
        frames=(poor,), flags=("truncated", "damaged"),
    )  # fmt: skip
    answers = judge(cut, hits, policy), judge(cut, ignored, policy)
    return {reason.partition(":")[0] for answer in answers for reason in answer.reasons}


def test_every_reason_is_explained():
    page = (DOCS / "explanation" / "verdicts.md").read_text("utf-8")
    words = words_of_reasons()
    assert len(words) == 13
    words |= PARTIAL.keys()
    assert {word for word in words if f"`{word}`" not in page} == set()
