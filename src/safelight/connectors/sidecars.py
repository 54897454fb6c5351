"""What a file beside a picture in a WebDataset tells of it. Pure; called in a child process.

    000123.jpg    the picture
    000123.json   {"url": "https://…", "key": "000123", "caption": "…", …}
    000123.url    the URL alone
    000123.cls    the number of its class
    000123.txt    its caption; carried only when it is a URL, or asked for

The bytes are whatever somebody put there: nothing here raises.
"""

import json
from collections.abc import Collection
from typing import Any

from safelight.connectors.facts import telling, to_facts

LARGEST_SIDECAR = 1 << 20  # bytes; larger ones are not read
_TEXTS = ("url", "cls", "txt", "text", "caption", "id")
SUFFIXES = ("json", *_TEXTS)
_CAPTIONS = ("txt", "text", "caption")


def suffix_of(name: bytes) -> str:
    """The end of a sidecar's name (`json`, `url`, …); empty for other files."""
    end = name.rpartition(b".")[2].lower().decode("ascii", "replace")
    return end if b"." in name and end in SUFFIXES else ""


def sidecar_facts(name: bytes, data: bytes, wanted: Collection[str] = ()) -> dict[str, str] | None:
    """What the sidecar of that name tells; None where it cannot be read as one.

    `wanted` names the fields to carry, instead of those that look like a URL or an id.
    """
    suffix = suffix_of(name)
    if not suffix or len(data) > LARGEST_SIDECAR:
        return None
    try:
        text = data.decode().removeprefix(
            "\ufeff"
        )  # a codec of its own cannot be loaded in a child
    except UnicodeDecodeError:
        return None
    if suffix == "json":
        return _json_facts(text, wanted)
    return _text_facts(suffix, text.strip(), wanted)


def _json_facts(text: str, wanted: Collection[str]) -> dict[str, str] | None:
    try:
        found = json.loads(text)
        return to_facts(telling(found, wanted)) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None


def _text_facts(suffix: str, text: str, wanted: Collection[str]) -> dict[str, str]:
    if wanted:
        carried: dict[str, Any] = {suffix: text} if suffix in wanted else {}
        return to_facts(carried)
    if suffix in _CAPTIONS:
        return to_facts({"url": text}) if _is_url(text) else {}
    return to_facts({suffix: text} if text else {})


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://")) and not any(char.isspace() for char in text)
