"""Safelight: protects children from abuse imagery, known and newly made.

    import safelight

    safelight.hash_image("photo.jpg").pdq
    safelight.HashIndex.build(hashes, ids).search(queries, radius=31)
    for result in safelight.scan(["folder"], hashes="list.csv"): ...

None of these needs a database.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safelight.api import hash_image, scan
    from safelight.kernel.index import HashIndex, Matches
    from safelight.model import ImageHashes

__version__ = "0.1.0"
__all__ = ["HashIndex", "ImageHashes", "Matches", "hash_image", "scan"]

_HOMES = {
    "HashIndex": "safelight.kernel.index",
    "ImageHashes": "safelight.model",
    "Matches": "safelight.kernel.index",
    "hash_image": "safelight.api",
    "scan": "safelight.api",
}


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted([*globals(), *__all__])


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that `safelight --help` does not pay for NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'safelight' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
