"""What PostgreSQL and its driver raise, translated once into our own errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy.exc

from safelight.errors import DatabaseUnavailable, DiskFull, SafelightError

_CHECK = "Check SAFELIGHT_DATABASE_URL and that PostgreSQL runs."

# By SQLSTATE, or its class. https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_STATE = {
    "28": "The database refused the role or its password. Check SAFELIGHT_DATABASE_URL.",
    "3D": "There is no such database. Make it with createdb, or correct SAFELIGHT_DATABASE_URL.",
    "42501": (
        "The database role lacks a right that is needed. Give the owner of the tables in "
        "SAFELIGHT_DATABASE_ADMIN_URL, so that the rights can be granted."
    ),
    "53300": "The database has no free connection. Try again, or raise its max_connections.",
    "53": "The database has run out of memory or another resource. Try again later.",
    "57014": "The database cancelled the query. Try again.",
    "57": f"The database was stopped. Nothing was half-written. {_CHECK}",
    "58": "The database cannot read or write its files. See its log.",
    "08": f"The connection to the database was lost. Nothing was half-written. {_CHECK}",
    "40": "Another process changed the same rows. Nothing was written: try again.",
    "55": "The database is busy with something that excludes this. Try again.",
    "25006": "The database is read-only (a standby?). Give the address of the primary.",
    "XX": "The database reports damage or an internal error. See its log.",
}

# Refusals while connecting carry no SQLSTATE, only text.
_BY_TEXT = {
    "password authentication failed": _BY_STATE["28"],
    "no password supplied": _BY_STATE["28"],
    "no pg_hba.conf entry": "The database does not admit this role from here. See its pg_hba.conf.",
    "too many clients": _BY_STATE["53300"],
    "remaining connection slots": _BY_STATE["53300"],
}


def translate(error: psycopg.Error) -> SafelightError | None:
    """Our error for the driver's, or None when it is a mistake in our own query."""
    state = error.sqlstate or ""
    said = (str(error).strip().splitlines() or ["no reason given"])[0]
    if state == "53100" or "No space left on device" in said:
        return DiskFull(
            "The disk that holds the database is full. Nothing was half-written: "
            "free some space and try again."
        )
    text = _BY_STATE.get(state) or _BY_STATE.get(state[:2])
    if text is None and isinstance(error, psycopg.OperationalError):
        by_text = (advice for words, advice in _BY_TEXT.items() if words in str(error))
        missing = "database" in said and "does not exist" in said
        lost = f"The database does not answer. {_CHECK}"
        text = next(by_text, _BY_STATE["3D"] if missing else lost)
    return None if text is None else DatabaseUnavailable(f"{text} It said: {said}")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors inside the block into ours."""
    try:
        yield
    except sqlalchemy.exc.DBAPIError as exc:
        ours = translate(exc.orig) if isinstance(exc.orig, psycopg.Error) else None
        if ours is None:
            raise
        raise ours from exc
    except psycopg.Error as exc:
        ours = translate(exc)
        if ours is None:
            raise
        raise ours from exc
