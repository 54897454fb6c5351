"""Telling the files of a data set apart, and gathering them into shards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.bulk.dataset.layout import expanded, is_metadata, is_parquet, is_tar, layout_of
from safelight.bulk.dataset.request import Layout
from safelight.bulk.dataset.shards import Numbering, Shard, ShardKind, Wanted, batch, single
from safelight.errors import BadInput


@pytest.mark.parametrize(
    ("paths", "layout"),
    [
        ([b"a/1.jpg", b"a/2.png"], Layout.FOLDER),
        ([b"a/1.jpg", b"a/00000.tar"], Layout.WEBDATASET),
        ([b"a/00000.parquet", b"a/00000.tar"], Layout.WEBDATASET),  # as img2dataset leaves them
        ([b"a/1.jpg", b"a/metadata.csv"], Layout.HUGGINGFACE),
        ([b"data/train-00000-of-00002.parquet"], Layout.HUGGINGFACE),
        ([], Layout.FOLDER),
    ],
)
def test_the_layout_is_what_the_names_speak_for(paths: list[bytes], layout: Layout) -> None:
    assert layout_of(paths) is layout


def test_kinds_of_files() -> None:
    assert [is_tar(name) for name in (b"a.tar", b"a.TAR.GZ", b"tar", b"a.tar.jpg")] == [
        True,
        True,
        False,
        False,
    ]
    assert is_metadata(b"x/Metadata.jsonl")
    assert not is_metadata(b"x/my-metadata.csv")
    assert is_parquet(b"x/a.parquet")
    assert not is_parquet(b"x/metadata.parquet")


def test_a_range_in_a_name() -> None:
    assert list(expanded("a-{08..11}-b{1..2}.tar")) == [
        f"a-{number}-b{part}.tar" for number in ("08", "09", "10", "11") for part in (1, 2)
    ]
    assert list(expanded("{a..b}.tar")) == ["{a..b}.tar"]


@pytest.mark.parametrize("pattern", ["{2..1}", "{0..1000000}", "{0..99999999999999999999}"])
def test_a_range_that_goes_down_or_on_for_ever(pattern: str) -> None:
    with pytest.raises(BadInput, match="a range goes up"):
        list(expanded(pattern))


def wanted(number: int) -> Wanted:
    return Wanted(path=b"%d.jpg" % number)


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5))
def test_every_file_is_in_one_shard_and_numbers_have_no_gap(singles: list[bool], size: int) -> None:
    numbering = Numbering(size)
    shards: list[Shard] = []
    for number, is_single in enumerate(singles):
        if is_single:
            shards.append(numbering.single(ShardKind.TAR, wanted(number)))
        else:
            shards += numbering.add(wanted(number))
    shards += numbering.rest()
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert sorted(file.path for shard in shards for file in shard.files) == sorted(
        wanted(number).path for number in range(len(singles))
    )
    batches = [shard for shard in shards if shard.kind is ShardKind.FILES]
    assert all(len(shard.files) == size for shard in batches[:-1])


def test_a_fingerprint_changes_with_what_is_in_the_shard() -> None:
    ones = [
        batch(0, [wanted(1), wanted(2)]),
        batch(0, [wanted(2), wanted(1)]),
        batch(0, [wanted(12)]),
        batch(0, [Wanted(path=b"1.jpg", tag="5 7")]),
        batch(0, [Wanted(path=b"1.jpg", tag="57")]),
    ]
    assert len({shard.fingerprint for shard in ones}) == len(ones)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"a/shard-00001.tar.gz", "part-00007-shard-00001.jsonl"),
        (b"a/.tar", "part-00007-shard.jsonl"),
        (b"a/\xff../x y/\xff b.tar", "part-00007-b.jsonl"),
        (b"a/" + b"x" * 300 + b".tar", f"part-00007-{'x' * 60}.jsonl"),
    ],
)
def test_a_part_is_named_after_its_shard(path: bytes, name: str) -> None:
    assert single(7, ShardKind.TAR, Wanted(path=path)).part_name("jsonl") == name
