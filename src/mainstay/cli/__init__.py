"""The command line. Imports stand inside the commands: `mainstay --help` answers at once."""

from mainstay.cli.commands import app, main

__all__ = ["app", "main"]
