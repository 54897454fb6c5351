"""Runs the blocks of a page that are fenced as `console`, as a reader would type them.

    ```console
    $ safelight match 00ff…
    error (bad_hash): …
    $ echo $?
    2
    ```

A line `$ …` is a command (`> …` goes on with it); the lines after it are what it prints, stdout and
stderr together. `…` stands for anything inside a line, and as a line of its own for any lines. All
blocks of a page run in one shell, so that `cd` and variables last. Blocks fenced as `python` are
run by the tests too, each as a program; `text`, `sh` and `sql` are not.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ANYTHING = "…"
_FENCE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "--- end of command 7c1e, status "


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a page, and the lines it must print."""

    text: str
    expected: tuple[str, ...]


def commands_of(page: str) -> Iterator[Command]:
    """The commands of a page's console blocks, in order."""
    for block in _FENCE.findall(page):
        text, expected = "", list[str]()
        for line in block.splitlines():
            if line.startswith("$ "):
                if text:
                    yield Command(text, tuple(expected))
                text, expected = line[2:], []
            elif line.startswith("> ") and not expected:
                text += "\n" + line[2:]
            else:
                assert text, f"a console block begins with {line!r} instead of a command"
                expected.append(line)
        if text:
            yield Command(text, tuple(expected))


def programs_of(page: str) -> list[str]:
    """The Python programs of a page."""
    return list(_PYTHON.findall(page))


def run(commands: list[Command], folder: Path, environ: Mapping[str, str]) -> list[list[str]]:
    """Run the commands in one shell; return what each printed, line by line."""
    script = "\n".join(
        f"{{ {one.text}\n}} 2>&1\nstatus=$?\necho '{_MARK}'$status\n( exit $status )"
        for one in commands
    )
    done = subprocess.run(
        ["/bin/bash"],
        input=script,
        cwd=folder,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert not done.stderr, done.stderr
    parts = re.split(rf"{_MARK}\d+\n", done.stdout)
    return [part.splitlines() for part in parts[: len(commands)]]


# What is another on every machine and in every run: scan ids, ids of lists, times, logins, and the
# hashes of computed pictures, whose last bits hang on the processor. Column widths too.
_VARIES = (
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b"), "<scan>"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"), "<time>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d{6}Z"), "<time>"),
    (re.compile(r"\b[\d,]+\.\d s\b"), "<seconds>"),
    (re.compile(r"\blocal:\w+"), "<login>"),
    (re.compile(r"\b[0-9a-f]{32,}\b"), "<hash>"),
    (re.compile(r"([ ━─])\1+"), r"\1"),
)


def differs(expected: tuple[str, ...], printed: list[str]) -> str | None:
    """What is wrong with the printed lines, or None."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == ANYTHING else _pattern(_steady(line)) + r"\n" for line in expected
    )
    text = "".join(_steady(line) + "\n" for line in printed)
    if re.fullmatch(pattern, text):
        return None
    return "\n".join(["expected:", *expected, "printed:", *printed])


def _steady(line: str) -> str:
    """The line without what is another on every machine."""
    for pattern, instead in _VARIES:
        line = pattern.sub(instead, line)
    return line.rstrip()


def _pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split(ANYTHING))
