"""What the tests have a child do: walk, and say what was found. Loaded in the child."""

import hashlib
from typing import Any

from safelight.decode.picture import prepare_child
from safelight.errors import CouldNotCheck
from safelight.source import Source
from safelight.unpack import walk as unpack
from safelight.unpack.walk import Item, UnpackLimits, walk


def prepare() -> None:
    prepare_child()
    unpack.prepare()


def work(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    limits = UnpackLimits(**request.get("limits", {}))
    items = walk(Source(fd), limits, start=request.get("start", 0))
    return {"items": [told(item) for item in items]}


def told(item: Item) -> list[Any]:
    path = [member.name.decode("latin-1") for member in item.chain]
    code, digest = item.code, None
    if item.source is not None and item.chain:
        try:
            digest = hashlib.sha256(b"".join(item.source.chunks())).hexdigest()
        except CouldNotCheck as exc:
            code = exc.code
    return [path, digest, code, item.format]
