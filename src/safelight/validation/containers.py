"""Archives of the pack: a known picture deep inside, a member under a password, a broken one."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping

from safelight.validation.expect import Expected
from safelight.validation.pictures import encoded, known, original
from safelight.validation.samples import Sample, sample
from safelight.validation.zip_crypto import locked_zip

_WHAT = "what is in archives"
_1980 = (1980, 1, 1, 0, 0, 0)


def containers() -> Iterator[Sample]:
    """Every archive."""
    yield _nested()
    yield _locked()
    cut = _zip({"a.png": original(0), "b.jpg": encoded(known(5), "JPEG")})
    yield sample(_WHAT, "cut.zip", cut[: len(cut) // 2], "no_match", flags=("members_missing",),
                 fully_checked=False)  # fmt: skip


def _nested() -> Sample:
    """zip → tar.gz → zip → picture."""
    inner = _zip({"known.png": original(1), "note.txt": b"a note\n"})
    middle = _tar_gz({"inner.zip": inner})
    outer = _zip({"folder/middle.tar.gz": middle, "known.jpg": encoded(known(2), "JPEG")})
    way = ("folder/middle.tar.gz", "middle.tar", "inner.zip")

    def inside(*names: str, verdicts: tuple[str, ...], code: str = "") -> Expected:
        return Expected(
            capability=_WHAT, file="nested.zip", inside=names, verdicts=verdicts, code=code
        )

    return Sample(
        "nested.zip",
        outer,
        [
            inside("known.jpg", verdicts=("known", "similar")),
            inside(*way, "known.png", verdicts=("known",)),
            inside(*way, "note.txt", verdicts=("unreadable",), code="not_a_picture"),
            inside(*way, verdicts=("no_match",)),
        ],
    )


def _locked() -> Sample:
    expected = Expected(
        capability=_WHAT,
        file="locked.zip",
        inside=("secret.png",),
        verdicts=("unreadable",),
        code="password_protected",
        fully_checked=False,
    )
    return Sample("locked.zip", locked_zip("secret.png", original(0), b"a password"), [expected])


def _zip(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _1980), data)
    return out.getvalue()


def _tar_gz(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)  # without the time of day
