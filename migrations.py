"""The migrations of configs alone: `python migrations.py status|up|verify`. `mainstay migrate` has them all."""

import sys

from mainstay.cli.commands import migrate

if __name__ == "__main__":
    migrate(["--only", "configs", *(sys.argv[1:] or ["--help"])], prog_name="migrations.py")
