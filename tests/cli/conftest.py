"""The command line as people run it: a process of its own, its output and its exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from safelight.demo import landscape


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "SAFELIGHT" not in name}
    return {**kept, "SAFELIGHT_HOME": str(home), "PYTHONWARNINGS": "error"}


@pytest.fixture
def command() -> list[str]:
    return [sys.executable, "-m", "safelight.cli"]


@pytest.fixture
def safelight(command: list[str], environ: dict[str, str]) -> Callable[..., Ran]:
    def run(*arguments: str | Path, **more: str) -> Ran:
        done = subprocess.run(
            [*command, *map(str, arguments)],
            env={**environ, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def pictures() -> dict[str, Image.Image]:
    return {f"landscape-{seed}": landscape(seed) for seed in (0, 1, 2)}


@pytest.fixture
def tree(tmp_path: Path, pictures: dict[str, Image.Image]) -> Path:
    """A folder to scan: a known file, a changed copy, a stranger, and what cannot be checked."""
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    pictures["landscape-0"].save(tree / "same.png")
    small = pictures["landscape-1"].resize((480, 320)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    small.save(tree / "sub" / "changed.jpg", quality=70)
    pictures["landscape-2"].save(tree / "stranger.jpg", quality=90)
    (tree / "empty.jpg").touch()
    (tree / "text.jpg").write_text("no picture\n" * 10)
    return tree


@pytest.fixture
def known(tmp_path: Path, safelight: Callable[..., Ran], pictures: dict[str, Image.Image]) -> Path:
    """A hash file of landscape-0 (PDQ and SHA-256) and landscape-1 (PDQ)."""
    originals = tmp_path / "originals"
    originals.mkdir()
    for name in ("landscape-0", "landscape-1"):
        pictures[name].save(originals / f"{name}.png")
    rows = safelight("hash", "-o", "json", originals).rows
    path = tmp_path / "known.csv"
    lines = ["pdq,sha256", f"{rows[0]['pdq']},{rows[0]['sha256']}", f"{rows[1]['pdq']},"]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A folder of many small pictures, enough to be stopped in the middle of."""
    folder = tmp_path / "noise"
    folder.mkdir()
    random = np.random.default_rng(1)
    for number in range(400):
        pixels = random.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).resize((640, 640)).save(folder / f"{number:04}.png")
    return folder
