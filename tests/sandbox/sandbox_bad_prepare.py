"""Work whose preparation fails."""

from typing import Any


def prepare() -> None:
    raise RuntimeError("prepare failed")


def work(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    return {}
