"""The composition root: which services there are and what they are given. Nothing else."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from mainstay.settings import Settings


def create_app(settings: "Settings | None" = None) -> "FastAPI":
    """The program as one ASGI application; reads the settings itself where it is given none. Raises SettingsError."""
    from mainstay.app import program  # here: a command that only asks the database needs none of it, half a second

    return program.create_app(settings)
