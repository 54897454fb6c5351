"""Opening the files of a data set, wherever they are."""

import os

from safelight.connectors.objects import ObjectStores, is_remote
from safelight.sandbox.files import open_for_examination


class Files:
    """Opens local files and objects alike. Safe to use from many threads."""

    def __init__(self, *, max_remote_bytes: int) -> None:
        self.stores = ObjectStores(max_bytes=max_remote_bytes)

    def open(self, path: bytes) -> int:
        """A descriptor of the file, which the caller closes; an object is fetched into memory.

        Raises BadPath or CouldNotCheck.
        """
        name = os.fsdecode(path)
        if is_remote(name):
            return self.stores.fetch(name)
        return open_for_examination(path)
