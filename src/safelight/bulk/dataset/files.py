"""Opening the files of a data set, wherever they are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from safelight.connectors.objects import ObjectStores, is_remote
from safelight.sandbox.far import FarFile
from safelight.sandbox.files import open_for_examination


class Files:
    """Opens local files and objects alike. Safe to use from many threads."""

    def __init__(self, *, in_memory: int) -> None:
        """Objects of more than `in_memory` bytes are not fetched whole."""
        self.stores = ObjectStores(in_memory=in_memory)

    @contextmanager
    def opened(self, path: bytes) -> Iterator[int | FarFile]:
        """The file, local or an object, open for examination. Raises BadPath or CouldNotCheck."""
        name = os.fsdecode(path)
        found = self.stores.open(name) if is_remote(name) else open_for_examination(path)
        try:
            yield found
        finally:
            if isinstance(found, int):
                os.close(found)

    @contextmanager
    def stream(self, path: bytes) -> Iterator[BinaryIO]:
        """The bytes of the file in order. Raises BadPath or CouldNotCheck, reading too."""
        with self.opened(path) as found:
            if isinstance(found, FarFile):
                yield found.stream()
                return
            os.lseek(found, 0, os.SEEK_SET)
            with os.fdopen(found, "rb", closefd=False) as stream:
                yield stream
