"""Hash the pictures of a folder and match them against a file of PDQ hashes; no database.

    python examples/match_folder.py FOLDER HASHES

HASHES holds one PDQ hash per line, 64 hexadecimal digits. Prints a line for every picture that is
near one, and for every file that could not be checked. Exit codes are those of `safelight scan`,
which does the same and more; this shows how to build it into a program of your own.
"""

import sys
from pathlib import Path

import numpy as np

import safelight
from safelight.errors import CouldNotCheck

RADIUS = 31
MIN_QUALITY = 50


def as_array(hashes: list[str]) -> np.ndarray:
    """Hexadecimal hashes as uint8[n, 32]."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)


def main(folder: str, hash_file: str) -> int:
    """Match every file below the folder; return the exit code."""
    known = Path(hash_file).read_text("utf-8").split()
    index = safelight.HashIndex.build(as_array(known), np.arange(len(known)))
    found = unchecked = 0
    for path in sorted(one for one in Path(folder).rglob("*") if one.is_file()):
        try:
            picture = safelight.hash_image(path)
        except CouldNotCheck as exc:
            unchecked += 1
            print(f"not checked\t{path}\t{exc.code}")
            continue
        unchecked += "truncated" in picture.flags or "damaged" in picture.flags
        distance = nearest(index, picture)
        if distance is not None:
            found += 1
            print(f"{distance} bits\t{path}")
    return 1 if found else 2 if unchecked else 0


def nearest(index: safelight.HashIndex, picture: safelight.ImageHashes) -> int | None:
    """The smallest distance to an entry, over frames and orientations; None: nothing is near."""
    distances = []
    for frame in picture.frames:
        # A featureless picture is near to everything: compare it for equality only.
        radius = RADIUS if frame.quality >= MIN_QUALITY else 0
        hashes = [*frame.dihedral, *(frame.stored or ())]
        distances += index.search(as_array(hashes), radius=radius).distances.tolist()
    return min(distances, default=None)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
