"""The folder of a generation, where what lies in it is not what we put there."""

import os
from pathlib import Path

import pytest

from safelight.errors import CorruptFile
from safelight.matching.kept_files import CURRENT, MANIFEST, read_current


@pytest.mark.parametrize("name", [CURRENT, f"one/{MANIFEST}"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / CURRENT).write_text("one")
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(CorruptFile, match="a pipe or a device, not a file"):
        read_current(tmp_path)
