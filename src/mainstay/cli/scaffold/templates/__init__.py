"""The texts of a new service, nearly as they will stand there; `$name` is filled in."""

from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent


def filled(name: str, words: dict[str, str]) -> str:
    """A template with its variables. Raises KeyError for one that has no word."""
    return Template((FOLDER / f"{name}.txt").read_text(encoding="utf-8")).substitute(words)
