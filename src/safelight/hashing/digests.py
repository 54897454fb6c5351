"""MD5, SHA-1 and SHA-256 of a file's bytes in one pass.

MD5 and SHA-1 are broken as signatures; they are here because hash lists hold them.
"""

import hashlib

from safelight.model import Digests

# Small enough to stay in the processor's cache while three algorithms read it.
_BLOCK_BYTES = 128 << 10


class Digester:
    """Digests of bytes that are given in order, in pieces of any size."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self.size = 0  # bytes so far

    def update(self, chunk: bytes) -> None:
        """Take the next piece."""
        self.size += len(chunk)
        view = memoryview(chunk)
        for start in range(0, len(chunk), _BLOCK_BYTES):
            block = view[start : start + _BLOCK_BYTES]
            self._md5.update(block)
            self._sha1.update(block)
            self._sha256.update(block)

    def digests(self) -> Digests:
        """The digests of all that was given."""
        return Digests(
            md5=self._md5.hexdigest(),
            sha1=self._sha1.hexdigest(),
            sha256=self._sha256.hexdigest(),
            size=self.size,
        )
