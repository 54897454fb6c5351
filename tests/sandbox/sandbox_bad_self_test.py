"""Work that needs a file after the rights are gone."""

from pathlib import Path
from typing import Any


def self_test() -> None:
    Path("/etc/passwd").read_bytes()


def work(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    return {}
