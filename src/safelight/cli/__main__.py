"""`python -m safelight.cli` is `safelight`."""

from safelight.cli import main

main()
