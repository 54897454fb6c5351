"""What the tutorial, the how-to pages and the README tell people to type does what they say."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from console_blocks import Command, commands_of, differs, programs_of, run
from pages import DOCS, ROOT, pages

from safelight.app import open_app
from safelight.demo import make_demo
from safelight.settings import Settings

RUN = [page for page in pages() if list(commands_of((ROOT / page).read_text("utf-8")))]
# The pages that people follow step by step; without a block that runs they would be untested.
MUST_RUN = {
    *("README.md", "docs/tutorial/first-scan.md", "docs/how-to/hash-lists.md"),
    "docs/how-to/laboratory.md",
}


@pytest.fixture(scope="module")
def demo() -> Iterator[Path]:
    """The pictures of `safelight demo`."""
    with tempfile.TemporaryDirectory(prefix="safelight-demo-") as path:
        make_demo(Path(path))
        yield Path(path)


@pytest.fixture
def folder(demo: Path) -> Iterator[Path]:
    """What somebody has who has run `make run`: pictures in `home`, and `you` to work in.

    The account of the embedded PostgreSQL can pass it, unlike pytest's own.
    """
    path = Path(tempfile.mkdtemp(prefix="safelight-docs-"))
    path.chmod(0o755)
    (path / "home").mkdir(mode=0o700)
    shutil.copytree(demo, path / "home" / "demo")
    (path / "you").mkdir(mode=0o755)
    (path / "you" / "examples").symlink_to(ROOT / "examples")
    (path / "you" / ".venv").symlink_to(sys.prefix)
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


def printed_by(commands: list[Command], folder: Path) -> list[list[str]]:
    """What the commands print; on the pages the reader's folder is /home/you.

    Safelight's own is /var/lib/safelight there.
    """
    shown = {str(folder / "you"): "/home/you", str(folder / "home"): "/var/lib/safelight"}
    lines = run(commands, folder / "you", environment(folder))
    return [[replaced(line, shown) for line in some] for some in lines]


@contextmanager
def database(folder: Path, page: str) -> Iterator[None]:
    """Keep the database running, unless the page shows it being made or does not use it."""
    if "safelight list" not in page or "Making the database" in page:
        yield
        return
    with open_app(Settings(home=folder / "home")):
        yield


def replaced(text: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text


def test_the_pages_people_follow_are_run():
    assert {str(page) for page in RUN} >= MUST_RUN


@pytest.mark.parametrize("page", RUN, ids=str)
def test_console_blocks_print_what_the_page_says(page: Path, folder: Path):
    text = (ROOT / page).read_text("utf-8")
    commands = list(commands_of(text))
    with database(folder, text):
        printed = printed_by(commands, folder)
    assert len(printed) == len(commands)
    wrong = [
        f"$ {command.text}\n{problem}"
        for command, lines in zip(commands, printed, strict=True)
        if (problem := differs(command.expected, lines))
    ]
    assert not wrong, "\n\n".join(wrong)


def test_python_blocks_run(folder: Path):
    """Each begins where the README's console blocks end, and prints something."""
    readme = (ROOT / "README.md").read_text("utf-8")
    reference = (DOCS / "reference" / "python.md").read_text("utf-8")
    programs = programs_of(readme) + programs_of(reference)
    commands = list(commands_of(readme))
    for number, program in enumerate(programs):
        name = f"program{number}.py"
        commands.append(Command(f"cat > {name} <<'END'\n{program}END", ()))
        commands.append(Command(f"python -W error {name} > {name}.txt && test -s {name}.txt", ()))
        commands.append(Command("echo $?", ("0",)))
    printed = printed_by(commands, folder)
    assert len(programs) > 3
    assert printed[-3 * len(programs) :] == [[], [], ["0"]] * len(programs)


def test_a_block_is_read_as_commands_and_their_output():
    page = "```console\n$ a\n> b\none\n$ c\n```\n\n```text\n$ d\n```\n```console\n$ e\n```\n"
    assert list(commands_of(page)) == [
        Command("a\nb", ("one",)),
        Command("c", ()),
        Command("e", ()),
    ]


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
        (("Rows: scans/20261122-003312-37b0",), ["Rows: scans/20270101-120000-00ff"], True),
        (("3 files in 1.5 s:",), ["3 files in 12.0 s:"], True),
        (("3 files in 1.5 s:",), ["4 files in 1.5 s:"], False),
        (("│ known    │ a  │",), ["│ known │ a │"], True),
    ],
)
def test_dots_stand_for_anything_and_the_rest_for_itself(expected, printed, same):
    assert (differs(expected, printed) is None) is same


def test_status_and_place_last_from_one_command_to_the_next(tmp_path: Path):
    commands = [Command("mkdir here; cd here; false", ()), Command("echo $?; basename $PWD", ())]
    assert run(commands, tmp_path, {"PATH": os.environ["PATH"]}) == [[], ["1", "here"]]
