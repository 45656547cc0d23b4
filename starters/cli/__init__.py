"""The command `tether`. What a command needs is imported when it runs, so that `--help` answers at once."""

from tether.starters.cli.main import main

__all__ = ["main"]
