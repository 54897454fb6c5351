"""Objects in S3, through obstore, named by URLs: `s3://bucket/key`.

Credentials, region and endpoint come from the AWS_* variables, as obstore takes them. Plain HTTP is
only spoken to this machine, or where AWS_ALLOW_HTTP=true says so. An object is fetched into memory
or, if it is large, read piece by piece as it is examined: nothing of it is written to disk.
"""

import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from safelight.errors import BadInput, CouldNotCheck, RemoteUnavailable
from safelight.files import write_all
from safelight.sandbox.far import FarFile

if TYPE_CHECKING:
    from obstore.store import S3Store

SCHEME = "s3://"
PIECE_BYTES = 8 << 20
_PIECE_SECONDS = 120
_RETRIES = 5
_RETRY_SECONDS = 60
_AT_A_TIME = 1000
# What goes into the address of a request unescaped; no more than any store takes.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundObject:
    """One object of a listing."""

    url: str
    size: int  # bytes
    tag: str  # changes when the object does


def is_remote(text: str) -> bool:
    """Whether the text is the URL of an object or a prefix."""
    return text.startswith(SCHEME)


def check_url(untrusted_url: str) -> str:
    """The URL without a slash at its end; BadInput for one that names no bucket."""
    url = untrusted_url.rstrip("/")
    if not _BUCKET.fullmatch(_split(url)[0]):
        raise BadInput(f"{untrusted_url!r} names no bucket: write s3://bucket/prefix.")
    return url


class ObjectStores:
    """The buckets named so far, opened when first needed. Safe to use from many threads."""

    def __init__(self, *, in_memory: int) -> None:
        """Objects of more than `in_memory` bytes are not fetched whole."""
        self._in_memory = in_memory
        self._stores: dict[str, S3Store] = {}
        self._lock = threading.Lock()

    def list(self, url: str) -> Iterator[FoundObject]:
        """The object of that URL, or those below it, in the order of the store.

        Raises RemoteUnavailable when the store does not answer, BadInput when nothing is there.
        """
        import obstore  # noqa: PLC0415 - loaded only where objects are

        bucket, prefix = _split(url)
        count, held, once = 0, None, _Once(url)
        try:
            for some in obstore.list(self._store(bucket), prefix or None, chunk_size=_AT_A_TIME):
                for meta in some:
                    found = _found(bucket, meta)
                    once.check(found.url)
                    if held is not None and not found.url.startswith(f"{held.url}/"):
                        yield held  # an empty object, and not what marks a folder
                    count, held = count + 1, None
                    if found.size:
                        yield found
                    else:
                        held = found
            if held is not None:
                yield held
            if not count and prefix:
                count += 1
                yield _found(bucket, obstore.head(self._store(bucket), prefix))
        except FileNotFoundError as exc:
            raise BadInput(f"there is nothing at {url}.") from exc
        except _errors() as exc:
            raise RemoteUnavailable(f"{url} cannot be listed: {_why(exc)}") from exc

    def open(self, url: str) -> int | FarFile:
        """The object as a file in memory, to be closed, or as one that is read piece by piece.

        Raises CouldNotCheck with `not_there`, `bad_object_name` or `remote_error`.
        """
        meta = self.look(url)
        if meta["size"] <= self._in_memory:
            return self._fetch(url, meta)
        return FarFile(meta["size"], lambda start, end: self.piece(url, meta, start, end))

    def _fetch(self, url: str, meta: Any) -> int:
        fd = os.memfd_create("safelight", os.MFD_CLOEXEC)
        try:
            for at in range(0, meta["size"], PIECE_BYTES):
                write_all(fd, self.piece(url, meta, at, min(at + PIECE_BYTES, meta["size"])))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def piece(self, url: str, meta: Any, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` of the object as it was when `meta` was read."""
        import obstore  # noqa: PLC0415 - loaded only where objects are

        bucket, key = _split(url)
        options: Any = {"range": (start, end)}
        if meta["e_tag"]:
            options["if_match"] = meta["e_tag"]
        with _could_not_check(url):
            data = bytes(obstore.get(self._store(bucket), key, options=options).bytes())
        if len(data) != end - start:
            raise CouldNotCheck("remote_error", f"{url}: the store sent too few bytes.")
        return data

    def look(self, url: str) -> Any:
        """What the store says of the object. Raises CouldNotCheck as `open` does."""
        import obstore  # noqa: PLC0415 - loaded only where objects are

        bucket, key = _split(url)
        if not _BUCKET.fullmatch(bucket):
            raise CouldNotCheck("bad_object_name", f"{url!r} names no bucket.")
        with _could_not_check(url):
            return obstore.head(self._store(bucket), key)

    def _store(self, bucket: str) -> "S3Store":
        with self._lock:
            if bucket not in self._stores:
                self._stores[bucket] = _open(bucket)
            return self._stores[bucket]


class _Once:
    """Stops a listing that begins again, as it does where a store repeats a continuation token.

    Keys are compared with one that is chosen anew at the 1st, 2nd, 4th, 8th, … (as Brent finds
    cycles): the order of a store does not matter, and the list is never held.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._count = 0
        self._choose_at = 1
        self._chosen = ""

    def check(self, key: str) -> None:
        """Raise RemoteUnavailable where this key was there before."""
        if key == self._chosen:
            raise RemoteUnavailable(
                f"{self._url} cannot be listed: the store gives {key!r} twice, and may never end."
            )
        self._count += 1
        if self._count == self._choose_at:
            self._chosen, self._choose_at = key, self._choose_at * 2


class _could_not_check:  # noqa: N801 - used like a function
    """Turns the store's errors about one object into CouldNotCheck."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, exc: BaseException | None, _trace: object) -> None:
        if isinstance(exc, FileNotFoundError):
            raise CouldNotCheck("not_there", f"{self._url} is not there.") from exc
        if isinstance(exc, ValueError):  # what obstore says of a name it cannot ask for
            raise CouldNotCheck("bad_object_name", f"{self._url!r}: {_why(exc)}") from exc
        if isinstance(exc, _errors()):
            raise CouldNotCheck("remote_error", f"{self._url}: {_why(exc)}") from exc


def _open(bucket: str) -> "S3Store":
    from obstore.store import S3Store  # noqa: PLC0415 - loaded only where objects are

    with_http = _check_endpoint()
    return S3Store(
        bucket,
        client_options={
            "allow_http": with_http,
            "timeout": timedelta(seconds=_PIECE_SECONDS),
            "connect_timeout": timedelta(seconds=10),
            "user_agent": "safelight",
        },
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
        },
    )


def _check_endpoint() -> bool:
    """Whether an endpoint is spoken to in plain HTTP; BadInput where that was not asked for."""
    endpoints = [os.environ.get(name, "") for name in _ENDPOINTS]
    plain = [endpoint for endpoint in endpoints if endpoint.lower().startswith("http://")]
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes", "on")
    for endpoint in plain:
        if not allowed and not _is_this_machine(urlsplit(endpoint).hostname or ""):
            raise BadInput(
                f"{endpoint} is plain HTTP: whoever is on the way can read the objects. Use"
                " https://, or set AWS_ALLOW_HTTP=true."
            )
    return bool(plain)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    return bucket, key


def _found(bucket: str, meta: Any) -> FoundObject:
    return FoundObject(
        url=f"{SCHEME}{bucket}/{meta['path']}",
        size=meta["size"],
        tag=meta["e_tag"] or str(meta["last_modified"]),
    )


def _errors() -> tuple[type[Exception], ...]:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - loaded only where objects are

    return (BaseError, OSError, ValueError)


def _why(exc: BaseException) -> str:
    """The first line of what obstore says, without the request's details."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:300]
