"""Files through real children: what they answer, and what is left when they cannot."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import photo, saved

from safelight.decode.picture import samples
from safelight.decode.rules import REASONS, DecodeLimits
from safelight.examine import (
    ExamineLimits,
    Examiner,
    examine_limits,
    make_pool,
    memory_file,
    request_for,
)
from safelight.examine_answers import parse_answer
from safelight.matching.rules import MatchPolicy
from safelight.matching.step import Matcher
from safelight.model import Depth, Examined, HashMode, ImageHashes, NotChecked
from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildFailed, ChildPool
from safelight.settings import Settings


@pytest.fixture(scope="module")
def pool() -> Iterator[ChildPool]:
    with make_pool(Settings(), children=1) as pool:
        yield pool


@pytest.fixture(scope="module")
def hostile() -> Iterator[Examiner]:
    """An examiner whose children do what the file says."""
    limits = Limits(memory_mb=1024, wall_seconds=2.0)
    here = [str(Path(__file__).parent)]
    with ChildPool("examine_attacks:work", children=1, limits=limits, search_path=here) as pool:
        yield Examiner(pool)


def examine(examiner: Examiner, data: bytes, mode: HashMode = HashMode.EXACT) -> Examined:
    fd = memory_file(data)
    try:
        return examiner.examine(fd, Depth(mode=mode))
    finally:
        os.close(fd)


@pytest.mark.parametrize("mode", list(HashMode))
@pytest.mark.parametrize("name", sorted(samples()))
def test_a_child_answers_as_this_process_does(name: str, mode: HashMode, pool: ChildPool) -> None:
    data = samples()[name]
    here = examine(Examiner(None), data, mode)
    assert isinstance(here, ImageHashes)
    assert examine(Examiner(pool), data, mode) == here


def test_also_for_files_that_are_refused_or_damaged(pool: ChildPool) -> None:
    jpeg = saved(photo(), "JPEG")
    cases = [b"", b"text", jpeg[:300], jpeg[:5000], b"GIF89a", b"\xff\xd8\xff\xe0junk", b"\0\1\2"]
    cases += [data[: len(data) * part // 4] for data in samples().values() for part in (1, 2, 3)]
    for data in cases:
        here = examine(Examiner(None), data)
        assert examine(Examiner(pool), data) == here
        assert here.digests is not None
        assert here.digests.sha256 == hashlib.sha256(data).hexdigest()


def test_a_file_too_large_to_decode_is_digested(pool: ChildPool, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(saved(photo(), "PNG"))
        file.truncate(40 << 20)
    fd = os.open(path, os.O_RDONLY)
    result = Examiner(pool, ExamineLimits(decode=DecodeLimits(max_bytes=1 << 20))).examine(fd)
    assert isinstance(result, NotChecked)
    assert (result.code, result.kind, result.format) == ("too_large", "image", "png")
    assert result.digests is not None
    assert result.digests.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    picture = Examiner(pool).examine(fd)  # read as a stream, not at once
    os.close(fd)
    assert isinstance(picture, ImageHashes)
    assert picture.dihedral == examine(Examiner(None), saved(photo(), "PNG")).dihedral  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"crash\n", "crashed"),
        (b"hang\n", "timed_out"),
        (b"memory\n", "out_of_memory"),
        (b"lie\n", "crashed"),
        (b"lie about code\n", "crashed"),
    ],
)
def test_a_file_that_breaks_its_decoder_keeps_its_digests(
    hostile: Examiner, data: bytes, code: str
) -> None:
    result = examine(hostile, data)
    assert isinstance(result, NotChecked)
    assert (result.code, result.kind) == (code, "text")
    assert result.digests is not None
    assert result.digests.sha256 == hashlib.sha256(data).hexdigest()
    assert isinstance(examine(hostile, samples()["rgb.jpg"]), ImageHashes)


def test_a_file_that_cannot_even_be_digested(hostile: Examiner) -> None:
    result = examine(hostile, b"always crash\n")
    assert isinstance(result, NotChecked)
    assert (result.code, result.digests) == ("crashed", None)


def test_what_is_no_file(pool: ChildPool, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    reader, writer = os.pipe()
    for fd in (folder, reader):
        result = Examiner(pool).examine(fd)
        assert isinstance(result, NotChecked)
        assert (result.code, result.digests) == ("not_a_file", None)
    for fd in (folder, reader, writer):
        os.close(fd)


def test_limits_come_from_the_settings() -> None:
    settings = Settings(
        max_pixels=1000, max_image_bytes=2000, decode_seconds=7, decode_memory_mb=99
    )
    limits = examine_limits(settings)
    assert (limits.decode.max_pixels, limits.decode.max_bytes) == (1000, 2000)
    assert ExamineLimits.from_json(limits.to_json()) == limits
    with make_pool(settings, children=3) as pool:
        assert pool.children == 3
        assert (pool.limits.memory_mb, pool.limits.cpu_seconds) == (99, 7)


def test_an_answer_is_small() -> None:
    """It crosses a socket; pixels must not."""
    import json  # noqa: PLC0415

    from safelight.examine_child import last_of, work  # noqa: PLC0415

    pictures = [photo().resize((64, 64)).rotate(90 * n) for n in range(3)]
    fd = memory_file(saved(pictures[0], "WEBP", save_all=True, append_images=pictures[1:]))
    answer = last_of(work(fd, request_for(Depth(), ExamineLimits())))
    os.close(fd)
    assert len(answer["picture"]["frames"]) == 3
    assert len(json.dumps(answer)) < 4000


def good_answer() -> dict[str, Any]:
    frame = {"frame": 0, "pdq": "0" * 64, "pdq_quality": 9, "dihedral": ["0" * 64] * 8}
    digests = {"md5": "0" * 32, "sha1": "0" * 40, "sha256": "0" * 64, "size": 1}
    picture = {"format": "png", "width": 1, "height": 1, "frames": [frame], "flags": []}
    return {"digests": digests, "kind": "image", "format": "png", "picture": picture}


def refused_answer() -> dict[str, Any]:
    answer = good_answer()
    del answer["picture"]
    return {**answer, "code": "damaged", "detail": "OSError"}


def test_an_honest_answer_is_taken() -> None:
    assert isinstance(parse_answer(good_answer(), Depth()), ImageHashes)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("digests",), None),
        (("digests", "md5"), "0" * 31),
        (("digests", "sha256"), "G" * 64),
        (("digests", "size"), -1),
        (("digests", "more"), 1),
        (("picture", "format"), "a line\nbreak"),
        (("picture", "width"), "1"),
        (("picture", "height"), -1),
        (("picture", "frames"), []),
        (("picture", "flags"), None),
        (("picture", "frames", 0, "dihedral"), ["0" * 64] * 7),
        (("picture", "frames", 0, "dihedral"), ["0" * 63 + "\n"] * 8),
        (("picture", "frames", 0, "pdq_quality"), 101),
        (("picture", "frames", 0, "frame"), None),
        (("picture", "frames", 0, "stored_dihedral"), ["x"]),
        (("picture", "frames", 0, "stored_dihedral"), ["0" * 64] * 8),  # without its quality
        (("picture", "frames", 0, "stored_dihedral"), []),
        (("picture", "frames", 0), "frame"),
        (("picture", "frames", 0, "pdq_quality"), True),
        (("picture", "width"), 10**400),
        (("picture", "width"), float("nan")),
        (("picture", "flags"), [[]]),
        (("picture",), "picture"),
    ],
)
def test_a_senseless_answer_is_refused(path: tuple[Any, ...], value: Any) -> None:
    answer = good_answer()
    place: Any = answer
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ChildFailed, match="senseless"):
        parse_answer(answer, Depth())


def test_the_detail_of_a_refusal_is_one_short_word() -> None:
    result = parse_answer(refused_answer(), Depth())
    assert isinstance(result, NotChecked)
    assert result.message.endswith(" (OSError)")
    for detail in ("the file is clean", "x" * 41, "a\nb", "\x1b[2J", "é", None, 5, ["OSError"]):
        with pytest.raises(ChildFailed, match="senseless"):
            parse_answer({**refused_answer(), "detail": detail}, Depth())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to everything inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for step, below in inner:
        yield (*path, step)
        if isinstance(below, dict | list):
            yield from places(below, (*path, step))


@settings(deadline=None)
@given(st.data(), JSON)
def test_whatever_a_child_says_is_an_answer_or_a_failure(data: st.DataObject, value: Any) -> None:
    answer = data.draw(st.sampled_from((good_answer, refused_answer)))()
    path = data.draw(st.sampled_from(list(places(answer))))
    place: Any = answer
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    try:
        result = parse_answer(answer, Depth())
    except ChildFailed:
        return
    assert isinstance(result, ImageHashes | NotChecked)
    if isinstance(result, NotChecked):
        assert result.message.startswith(REASONS[result.code])
    else:
        Matcher([], []).hits(result, MatchPolicy())


@given(JSON)
def test_an_answer_of_any_shape_is_refused(value: Any) -> None:
    with pytest.raises(ChildFailed, match="senseless"):
        parse_answer({"picture": value}, Depth())


def test_the_parent_loads_neither_numpy_nor_a_decoder() -> None:
    program = "import sys, safelight.examine as e; print(e.__name__ in sys.modules, *sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = ran.stdout.split()
    assert loaded[0] == "True"
    assert not {"numpy", "PIL", "pi_heif", "simplejpeg", "safelight._kernel"} & set(loaded)
