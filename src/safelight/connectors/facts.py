"""What is carried from a data set's own tables to the result rows: source URL, row id and the like.

Pure. Everything here comes from outside and is bounded: a fact is a name and a text, and whatever
does not fit is named in the fact `_left_out`.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

MOST_FACTS = 64
LONGEST_NAME = 64  # characters
LONGEST_VALUE = 2048  # characters; longer ones are cut
MOST_BYTES = 12_000  # of all facts of a row, as JSON

LEFT_OUT = "_left_out"
SIDECAR = "sidecar."

# Names of columns that say where a picture came from and which row it was; lower case.
_TELLING = frozenset(
    (
        *("url", "uri", "link", "href", "src", "source", "page", "domain", "host", "site", "shard"),
        *("key", "id", "uid", "uuid", "guid", "md5", "sha1", "sha256", "hash", "date", "timestamp"),
        *("licence", "license", "author", "owner", "path", "file", "filename", "file_name"),
    )
)
_TELLING_ENDINGS = ("url", "_uri", "_id", "_key", "_link", "_hash", "_source")


def is_telling(name: str) -> bool:
    """Whether a column of this name tells where a picture came from, or which row it is."""
    lower = name.lower()
    return lower in _TELLING or lower.endswith(_TELLING_ENDINGS)


def telling(columns: Mapping[str, Any], wanted: Collection[str] = ()) -> dict[str, Any]:
    """The columns asked for, or where none are the telling ones: no captions, no numbers."""
    if wanted:
        return {name: columns[name] for name in wanted if name in columns}
    return {name: value for name, value in columns.items() if is_telling(name)}


def to_facts(columns: Mapping[str, Any]) -> dict[str, str]:
    """The columns as texts, within bounds; values that are null are left out."""
    facts: dict[str, str] = {}
    left_out = []
    room = MOST_BYTES
    for name, value in columns.items():
        if value is None:
            continue
        text = text_of(value)
        kept = text[:LONGEST_VALUE]
        size = len(json.dumps(name)) + len(json.dumps(kept)) + 2
        if len(name) > LONGEST_NAME or len(facts) >= MOST_FACTS or size > room:
            left_out.append(name[:LONGEST_NAME])
            continue
        if kept != text:
            left_out.append(name)
        facts[name] = kept
        room -= size
    if left_out:
        left_out = [facts[LEFT_OUT], *left_out] if LEFT_OUT in facts else left_out
        facts[LEFT_OUT] = ", ".join(left_out[:MOST_FACTS])[:LONGEST_VALUE]
    return facts


def owned(facts: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    """The owner's facts, and what was told in the data set itself, which never replaces them.

    What is told otherwise under one of their names is kept as `sidecar.<name>`.
    """
    more = {name: text for name, text in told.items() if name not in facts}
    for name, text in told.items():
        if facts.get(name, text) != text:
            more[SIDECAR + name] = text
    return to_facts({**facts, **more, **facts})


def text_of(value: Any) -> str:
    """A value of a table as text: texts as they are, everything else as JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")  # JSON can hold half characters
    if isinstance(value, float | int | bool | list | dict):
        return (
            json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace").decode()
        )
    return str(value)


def check_facts(untrusted_facts: object) -> dict[str, str]:
    """Facts as a child gave them; ValueError for what `to_facts` does not make."""
    if not isinstance(untrusted_facts, dict) or len(untrusted_facts) > MOST_FACTS + 1:
        raise ValueError("facts")
    for name, text in untrusted_facts.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise ValueError("facts")
        if len(name) > LONGEST_NAME or len(text) > LONGEST_VALUE:
            raise ValueError("facts")
    return dict(untrusted_facts)
