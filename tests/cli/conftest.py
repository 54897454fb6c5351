"""The command line as people run it: a process of its own, its output and its exit code."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from datasets import write_known
from PIL import Image

from safelight import hash_image
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


@pytest.fixture(scope="session")
def known_lines(pictures: dict[str, Image.Image]) -> list[str]:
    hashed = []
    for name in ("landscape-0", "landscape-1"):
        out = io.BytesIO()
        pictures[name].save(out, "PNG")
        hashed.append(hash_image(out.getvalue(), isolation="none"))
    return ["pdq,sha256", f"{hashed[0].pdq},{hashed[0].sha256}", f"{hashed[1].pdq},"]


@pytest.fixture
def known(tmp_path: Path, known_lines: list[str]) -> Path:
    """A hash file of landscape-0 (PDQ and SHA-256) and landscape-1 (PDQ)."""
    path = tmp_path / "known.csv"
    path.write_text("\n".join(known_lines) + "\n")
    return path


@pytest.fixture
def many(tmp_path: Path, pictures: dict[str, Image.Image]) -> Path:
    """A folder of many pictures, enough to be stopped in the middle of."""
    folder = tmp_path / "many"
    folder.mkdir()
    out = io.BytesIO()
    pictures["landscape-2"].save(out, "PNG")
    for number in range(400):
        (folder / f"{number:04}.png").write_bytes(out.getvalue())
    return folder


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return write_known(tmp_path / "listed.csv")


@pytest.fixture
def audit(safelight, listed, tmp_path):
    """Run an audit with JSON Lines as its result."""

    def run(*arguments: str | Path, result: str = "audit", **environ: str):
        return safelight(
            *("scan", *arguments, "--hashes", listed, "--result", tmp_path / result),
            *("--format", "jsonl", "--jobs", "1"),
            **environ,
        )

    return run
