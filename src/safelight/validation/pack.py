"""The pack on disk.

FOLDER/collection/      what is scanned
FOLDER/known.csv        the hash file it is scanned against
FOLDER/expected.jsonl   what must come out, one item a line
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safelight.errors import BadPath, CorruptFile
from safelight.files import PRIVATE_FOLDER, disk_errors, replace_private, show_path
from safelight.kernel import pdq_from_rgb
from safelight.validation.broken import broken
from safelight.validation.containers import containers
from safelight.validation.expect import Expected
from safelight.validation.pictures import KNOWN, PATTERNS, known, original, pictures, text_for
from safelight.validation.samples import Sample
from safelight.validation.videos import videos

# A name that is no text, a link that leads out, a link to nothing.
NOT_UTF8 = b"name-\xff\xfe.png"
_NAMES = "names and links of any kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A pack on disk, and what must come out of a scan of it."""

    folder: Path
    expected: Sequence[Expected]

    @property
    def collection(self) -> Path:
        """The folder to scan."""
        return self.folder / "collection"

    @property
    def hashes(self) -> Path:
        """The hash file to scan against."""
        return self.folder / "known.csv"


def make_pack(folder: Path) -> Pack:
    """Make the files; BadPath where the folder is there and not empty."""
    with disk_errors(folder):
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BadPath(f"{show_path(folder)} is not empty: name a new folder.")
        pack = Pack(folder=folder, expected=[*_write(folder / "collection")])
        replace_private(pack.hashes, _hash_file().encode())
        lines = "".join(json.dumps(one.to_json()) + "\n" for one in pack.expected)  # ASCII: names
        replace_private(folder / "expected.jsonl", lines.encode())
    return pack


def is_pack(folder: Path) -> bool:
    """Whether a pack was made there."""
    return (folder / "expected.jsonl").is_file()


def read_pack(folder: Path) -> Pack:
    """A pack that was made before; CorruptFile for something else."""
    path = folder / "expected.jsonl"
    try:
        with disk_errors(path):
            lines = path.read_text("utf-8").splitlines()
        expected = [Expected.from_json(json.loads(line)) for line in lines]
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise CorruptFile(f"{show_path(path)} is damaged; make the pack anew.") from exc
    return Pack(folder=folder, expected=expected)


def all_samples() -> Iterator[Sample]:
    """Every file of the pack that is of bytes alone."""
    yield from pictures()
    yield from broken()
    yield from containers()
    yield from videos()


def _write(folder: Path) -> Iterator[Expected]:
    folder.mkdir(mode=PRIVATE_FOLDER)
    for one in all_samples():
        (folder / one.file).write_bytes(one.data)
        yield from one.expected
    yield from _write_names(folder)


def _write_names(folder: Path) -> Iterator[Expected]:
    raw = os.path.join(bytes(folder), NOT_UTF8)  # noqa: PTH118 - a name that no str holds
    Path(os.fsdecode(raw)).write_bytes(original(0))
    yield Expected(capability=_NAMES, file=os.fsdecode(NOT_UTF8), verdicts=("known",))
    for name, target in (("link-out", "/"), ("link-to-nothing", "nowhere")):
        (folder / name).symlink_to(target)
        yield Expected(capability=_NAMES, file=name, verdicts=("unreadable",),
                       code="link_not_followed", fully_checked=False)  # fmt: skip


def _hash_file() -> str:
    """Hashes of the originals: digests from Python's own library, PDQ of patterns as published."""
    lines = ["algorithm,hash,id"]
    lines += [f"pdq,{value},pattern-{number}" for number, value in enumerate(PATTERNS)]
    for seed in KNOWN:
        pdq = pdq_from_rgb(np.ascontiguousarray(np.asarray(known(seed))))
        lines.append(f"pdq,{pdq.dihedral[0].tobytes().hex()},landscape-{seed}")
        lines.append(f"sha256,{hashlib.sha256(original(seed)).hexdigest()},landscape-{seed}")
    for name in ("md5", "sha1"):
        digest = hashlib.new(name, text_for(name), usedforsecurity=False).hexdigest()
        lines.append(f"{name},{digest},text-{name}")
    return "\n".join(lines) + "\n"
