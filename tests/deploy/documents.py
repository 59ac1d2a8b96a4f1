"""The files that deploy the program, read."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mainstay.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = {name.upper() for name in Settings.model_fields}


class Stage(NamedTuple):
    """A part of the Dockerfile: what it stands on, what it is called, its instructions."""

    base: str
    name: str
    instructions: list[tuple[str, str]]

    def only(self, name: str) -> str:
        """The text of the instruction that is there once."""
        (text,) = [text for found, text in self.instructions if found == name]
        return text

    def words(self, name: str) -> list[str]:
        """Likewise, of one in the form of a JSON list: no shell stands between it and signals."""
        words: list[str] = json.loads(self.only(name))
        return words

    def pairs(self, name: str) -> dict[str, str]:
        """`NAME=value …` of all instructions of that name."""
        texts = " ".join(text for found, text in self.instructions if found == name)
        return {key: value.strip('"') for key, value in re.findall(r'([\w.]+)=("[^"]*"|\S+)', texts)}


def stages() -> list[Stage]:
    """Of the Dockerfile; the last one is the image that runs."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[Stage] = []
    for line in filter(None, text.splitlines()):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            base, _, called = rest.partition(" AS ")
            found.append(Stage(base, called, []))
        else:
            found[-1].instructions.append((name, rest.strip()))
    return found


def image() -> Stage:
    """What runs."""
    return stages()[-1]


def healthcheck() -> list[str]:
    """The command by which the image says how it is."""
    _, marker, command = image().only("HEALTHCHECK").partition(" CMD ")
    assert marker
    words: list[str] = json.loads(command)
    return words


def compose() -> dict[str, Any]:
    """compose.yaml, with what it says by reference in place."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return document


def manifests() -> list[dict[str, Any]]:
    """The objects of deploy/kubernetes that the kustomization names."""
    texts = [(ROOT / "deploy" / "kubernetes" / name).read_text() for name in kustomization()["resources"]]
    return [document for text in texts for document in yaml.safe_load_all(text)]


def kustomization() -> dict[str, Any]:
    """What puts them together."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "deploy/kubernetes/kustomization.yaml").read_text())
    return document
