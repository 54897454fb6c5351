"""Help of a command with many options: grouped by what they are for."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from typer.core import TyperCommand


class GroupedCommand(TyperCommand):
    """A command whose help shows its options in groups; those of no group come last."""

    groups: ClassVar[Mapping[str, Sequence[str]]] = {}  # title -> names of parameters

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each group."""
        grouped = {name for names in self.groups.values() for name in names}
        params = self.get_params(ctx)
        sections = [
            (title, [one for name in names for one in params if one.name == name])
            for title, names in self.groups.items()
        ]
        rest = [one for one in params if one.name not in grouped]
        for title, some in [*sections, ("Other", rest)]:
            records = [record for one in some if (record := one.get_help_record(ctx))]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
