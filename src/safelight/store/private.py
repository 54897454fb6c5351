"""Files that nobody else may read."""

import os
from pathlib import Path


def write_private(path: Path, text: str, *, uid: int = -1, gid: int = -1) -> Path:
    """Replace the file whole or not at all, mode 0600; links are never followed."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(new, flags, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
        os.fchown(file.fileno(), uid, gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return new.replace(path)
