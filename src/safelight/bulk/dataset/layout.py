"""Telling the files of a data set apart by their names. Pure."""

import re
from collections.abc import Iterable, Iterator

from safelight.bulk.dataset.request import Layout
from safelight.errors import BadInput

_TARS = (b".tar", b".tar.gz", b".tgz", b".tar.zst", b".tar.bz2", b".tar.xz")
_METADATA = (b"metadata.csv", b"metadata.jsonl", b"metadata.parquet")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
MOST_FROM_PATTERN = 1_000_000


def is_tar(path: bytes) -> bool:
    """Whether the file is a tar by its name."""
    return path.lower().endswith(_TARS)


def is_metadata(path: bytes) -> bool:
    """Whether the file tells of the others in its folder, as Hugging Face has it."""
    return path.rpartition(b"/")[2].lower() in _METADATA


def is_parquet(path: bytes) -> bool:
    """Whether the file is a table that may have pictures in it."""
    return path.lower().endswith(b".parquet") and not is_metadata(path)


def layout_of(paths: Iterable[bytes]) -> Layout:
    """The layout that the names of the first files of a data set speak for."""
    seen = list(paths)
    if any(is_tar(path) for path in seen):
        return Layout.WEBDATASET
    if any(is_metadata(path) or is_parquet(path) for path in seen):
        return Layout.HUGGINGFACE
    return Layout.FOLDER


def expanded(pattern: str) -> Iterator[str]:
    """The names that a pattern like `shard-{00000..00099}.tar` stands for."""
    found = _RANGE.search(pattern)
    if found is None:
        yield pattern
        return
    first, last = (int(number) for number in found.groups())
    if not first <= last < first + MOST_FROM_PATTERN:
        raise BadInput(
            f"{pattern}: a range goes up, by at most {MOST_FROM_PATTERN:,}: {{00000..00099}}."
        )
    width = len(found.group(1))
    for number in range(first, last + 1):
        head, tail = pattern[: found.start()], pattern[found.end() :]
        yield from expanded(f"{head}{number:0{width}}{tail}")
