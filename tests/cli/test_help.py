"""Help that people can find their way in."""

from safelight.cli import build
from safelight.cli.scan import Command


def test_every_option_of_scan_stands_in_a_group_and_once(safelight):
    grouped = [name for names in Command.groups.values() for name in names]
    assert len(grouped) == len(set(grouped))
    command = build().commands["scan"]
    names = {one.name for one in command.get_params(command.context_class(command))}
    assert set(grouped) == names
    text = safelight("scan", "--help").out
    places = [text.index(f"\n{title}:\n") for title in Command.groups]
    assert places == sorted(places)
    assert "\nOther:\n" not in text
