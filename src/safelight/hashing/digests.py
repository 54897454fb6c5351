"""MD5, SHA-1 and SHA-256 of a file's bytes in one pass.

MD5 and SHA-1 are broken as signatures; they are here because hash lists hold them.
"""

import hashlib
from collections.abc import Iterable

from safelight.model import Digests

# Small enough to stay in the processor's cache while three algorithms read it.
_BLOCK_BYTES = 128 << 10


def digest(chunks: Iterable[bytes]) -> Digests:
    """Digest the bytes of a file, given in order in pieces of any size."""
    md5 = hashlib.md5(usedforsecurity=False)
    sha1 = hashlib.sha1(usedforsecurity=False)
    sha256 = hashlib.sha256()
    size = 0
    for chunk in chunks:
        size += len(chunk)
        view = memoryview(chunk)
        for start in range(0, len(chunk), _BLOCK_BYTES):
            block = view[start : start + _BLOCK_BYTES]
            md5.update(block)
            sha1.update(block)
            sha256.update(block)
    return Digests(md5=md5.hexdigest(), sha1=sha1.hexdigest(), sha256=sha256.hexdigest(), size=size)
