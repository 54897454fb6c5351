"""Archives for the tests, and what a walk through one gives in a form that compares."""

import io
import os
import tarfile
import zipfile
from dataclasses import dataclass

from safelight.errors import CouldNotCheck
from safelight.source import MemorySource, Source
from safelight.unpack.walk import Item, UnpackLimits, walk


@dataclass(frozen=True)
class Seen:
    """An item, read as its consumer reads it."""

    path: tuple[bytes, ...]
    data: bytes | None = None
    code: str | None = None
    members: int | None = None
    flags: tuple[str, ...] = ()
    format: str = ""


def seen(item: Item) -> Seen:
    path = tuple(member.name for member in item.chain)
    data, code = None, item.code
    if item.source is not None and item.chain and item.container is None:
        try:
            data = b"".join(item.source.chunks())
        except CouldNotCheck as exc:
            code = code or exc.code
    facts = item.container
    if facts is None:
        return Seen(path, data, code)
    return Seen(path, None, code, facts.members, facts.flags, facts.format)


def walked(
    data: bytes | Source, limits: UnpackLimits | None = None, *, start: int = 0
) -> list[Seen]:
    source = data if isinstance(data, Source) else MemorySource(data)
    found = []
    for position, item in enumerate(walk(source, limits, start=start)):
        assert item.number == start + position
        found.append(seen(item))
    return found


def on_disk(folder: object, data: bytes) -> Source:
    path = os.path.join(str(folder), "container")
    with open(path, "wb") as file:
        file.write(data)
    return Source(os.open(path, os.O_RDONLY))


def zipped(
    files: dict[str, bytes] | list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    out = io.BytesIO()
    pairs = files.items() if isinstance(files, dict) else files
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in pairs:
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime = 1_700_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
