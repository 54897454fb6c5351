"""The command line as a process of its own, for tests that share one home."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def safelight(home: Path, *words: object, code: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run it; its exit code must be this one."""
    done = subprocess.run(
        [sys.executable, "-m", "safelight.cli", *map(str, words)],
        env={**os.environ, "SAFELIGHT_HOME": str(home), "SAFELIGHT_ACTOR": "alice"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stderr
    return done


def json_rows(home: Path, *words: object) -> list[dict[str, Any]]:
    """What it prints as JSON Lines."""
    done = safelight(home, *words, "-o", "json")
    return [json.loads(line) for line in done.stdout.splitlines()]
