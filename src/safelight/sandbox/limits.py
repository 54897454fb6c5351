"""What one child process may use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one child; those in seconds are for one task, not for the child's whole life."""

    memory_mb: int = 2048  # address space on top of what is mapped once its modules are loaded
    cpu_seconds: int = 60
    wall_seconds: float = 60.0
    open_files: int = 64
    start_seconds: float = 60.0  # to load its modules; a busy machine needs many
    tasks: int = 10_000  # a child is replaced after so many, which bounds slow leaks

    def to_args(self) -> list[str]:
        """The part a child must know, as command-line arguments."""
        return [str(self.memory_mb), str(self.cpu_seconds), str(self.open_files)]

    @classmethod
    def from_args(cls, args: list[str]) -> "Limits":
        """The limits from what `to_args` gave."""
        memory_mb, cpu_seconds, open_files = (int(arg) for arg in args)
        return cls(memory_mb=memory_mb, cpu_seconds=cpu_seconds, open_files=open_files)
