"""What the tutorial, the how-to pages and the README tell people to type does what they say."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_blocks import Command, commands_of, differs, run
from pages import ROOT, pages

RUN = [page for page in pages() if list(commands_of((ROOT / page).read_text("utf-8")))]
# The pages that people follow step by step; without a block that runs they would be untested.
MUST_RUN = {"README.md", "docs/tutorial/first-scan.md", "docs/how-to/hash-lists.md"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the account of the embedded PostgreSQL can pass, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="safelight-docs-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def environment(folder: Path) -> dict[str, str]:
    """A person's shell: the commands of .venv, a home of their own, no settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAFELIGHT_")}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "SAFELIGHT_HOME": str(folder / "home"),
        "PYTHONUNBUFFERED": "1",  # as in a terminal: stdout and stderr in the order written
        "LANG": "C.UTF-8",
    }


def test_the_pages_people_follow_are_run():
    assert {str(page) for page in RUN} >= MUST_RUN


@pytest.mark.parametrize("page", RUN, ids=str)
def test_console_blocks_print_what_the_page_says(page: Path, folder: Path):
    work = folder / "work"
    work.mkdir()
    shutil.copytree(ROOT / "examples", work / "examples")
    commands = list(commands_of((ROOT / page).read_text("utf-8")))
    printed = run(commands, work, environment(folder))
    assert len(printed) == len(commands)
    wrong = [
        f"$ {command.text}\n{problem}"
        for command, lines in zip(commands, printed, strict=True)
        if (problem := differs(command.expected, lines))
    ]
    assert not wrong, "\n\n".join(wrong)


def test_a_block_is_read_as_commands_and_their_output():
    page = "```console\n$ a\n> b\none\n$ c\n```\n\n```text\n$ d\n```\n```console\n$ e\n```\n"
    assert list(commands_of(page)) == [Command("a\nb", ("one",)), Command("c", ()), Command("e", ())]


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (("one", "two"), ["one", "two"], True),
        (("one",), ["one", "two"], False),
        (("one", "…"), ["one", "two", "three"], True),
        (("…", "three"), ["one", "two", "three"], True),
        (("t…o",), ["two"], True),
        (("t…o",), ["three"], False),
        ((), [], True),
        ((), ["surprise"], False),
    ],
)
def test_dots_stand_for_anything_and_the_rest_for_itself(expected, printed, same):
    assert (differs(expected, printed) is None) is same


def test_status_and_place_last_from_one_command_to_the_next(tmp_path: Path):
    commands = [Command("mkdir here; cd here; false", ()), Command("echo $?; basename $PWD", ())]
    assert run(commands, tmp_path, {"PATH": os.environ["PATH"]}) == [[], ["1", "here"]]
