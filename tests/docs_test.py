"""What the documents show is so: calls are run, answers compared, defaults looked up, links followed."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mainstay.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob(".ai/*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/**/*.md")]
)
NOT_RUN = {
    'docker build --tag mainstay --build-arg REVISION="$(git rev-parse HEAD)" .': "scripts/image-test does",
    "scripts/image-test": "needs an engine or root; the workflow runs it",
    "docker compose up -d api": "needs Docker; the workflow runs it, tests/deploy/compose_test.py its commands",
    "docker compose run --rm tests": "needs Docker; the workflow runs it",
    "docker compose down -v": "needs Docker; the workflow runs it",
    "kubectl --namespace mainstay delete job mainstay-migrate --ignore-not-found": "needs a cluster",
}
"""Shell blocks that no test can run, by their first line, each with the reason."""

EXAMPLE = '.venv/bin/mainstay migrate new "Give pets a colour"'
"""Of CONTRIBUTING.md; the tutorial's is run."""

OPERATIONS = ROOT / "docs" / "operations.md"
OPERATED = ("Backup and restore", "Doctor", "Demo data", "When something is wrong")
"""Its sections whose commands are run."""

TUTORIAL = ROOT / "docs" / "tutorial.md"
"""tests/tutorial_test.py does all that it says."""

WITH_CALLS = (ROOT / "README.md", ROOT / "docs" / "tour.md")
"""Documents whose calls are made, and the answers compared."""

ADDRESS = "http://127.0.0.1:8000"
REQUEST_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ULID = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z")
SETTINGS = {name.upper(): field.default for name, field in Settings.model_fields.items()}


class Block(NamedTuple):
    """A fenced block: what stands behind the fence, and the text."""

    language: str
    text: str


def blocks(document: Path) -> list[Block]:
    found = re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", document.read_text(), re.MULTILINE | re.DOTALL)
    return [Block(language, textwrap.dedent(text)) for _, language, text in found]


def is_shell(block: Block) -> bool:
    return block.language in {"sh", "bash", "shell", "console"}


def calls(document: Path) -> list[tuple[Block, Block]]:
    """Shell blocks with the answers that follow them."""
    return [(call, answer) for call, answer in pairwise(blocks(document)) if answer.language in {"http", "json"}]


# Calls


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("document", WITH_CALLS, ids=lambda path: path.stem)
def test_the_calls_are_answered_as_it_is_shown(serve: Callable[..., Any], document: Path) -> None:
    server = serve()
    shown = calls(document)
    assert len(shown) >= 2
    for call, answer in shown:
        command = ["bash", "-euc", call.text.replace(ADDRESS, server.url)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert_answer(printed, answer)


def assert_answer(printed: str, shown: Block) -> None:
    """The status and the body as shown, and every header that is shown; ids that are no numbers and times differ."""
    wanted, got = comparable(shown.text), comparable(printed.replace("\r\n", "\n"))
    if shown.language == "json":
        assert got == wanted
        return
    (head, _, body), (wanted_head, _, wanted_body) = got.partition("\n\n"), wanted.partition("\n\n")
    (status, *headers), (wanted_status, *wanted_headers) = head.splitlines(), wanted_head.splitlines()
    assert (status, body) == (wanted_status, wanted_body)
    assert [header for header in wanted_headers if header not in headers] == []


def comparable(text: str) -> str:
    return TIME.sub("<time>", ULID.sub("<ulid>", REQUEST_ID.sub("<id>", text.strip())))


def commands(heading: str) -> list[Block]:
    """The shell blocks of a section of docs/operations.md."""
    _, _, section = OPERATIONS.read_text().partition(f"\n## {heading}\n")
    found = re.findall(r"^```(sh)\n(.*?)^```$", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    return [Block(*block) for block in found]


@pytest.mark.parametrize("heading", OPERATED)
def test_the_commands_of_an_operator_work_as_they_stand(heading: str, database_url: str, tmp_path: Path) -> None:
    assert commands(heading)
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    environment = {"PATH": path, "APP_ENV": "test", "DATABASE_URL": database_url, "BCRYPT_COST": "4"}
    environment["NEW_PASSWORD"] = "correct-battery-horse"
    for block in commands(heading):
        ended = subprocess.run(
            ["bash", "-euc", block.text], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shell_block_is_tried_out_or_excused(document: Path) -> None:
    called = {call for call, _ in calls(document)} if document in WITH_CALLS else set()
    if document == OPERATIONS:
        called |= {block for heading in OPERATED for block in commands(heading)}
    for block in filter(is_shell, blocks(document)):
        if block in called or block.text.splitlines()[0] in NOT_RUN or document == TUTORIAL:
            continue
        for line in block.text.splitlines():
            if line.startswith(EXAMPLE):
                continue
            assert line.startswith("make "), f"{line!r}: show its answer, make it a target or put it into NOT_RUN"
            assert recipe(line.split()[1])


def test_make_run_is_what_the_other_tests_start() -> None:
    assert "run mainstay serve" in recipe("run")
    assert "python scripts/run_tests.py" in recipe("test")


def recipe(target: str) -> str:
    """What make would do; fails where there is no such target."""
    command = ["make", "--dry-run", "--no-print-directory", target]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


# Links and the diagram


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert [target for target in links(document) if not (document.parent / target).exists()] == []


def links(document: Path) -> Iterator[str]:
    """Those within the repository."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text()):
        if "://" not in target:
            yield target


def test_the_diagram_shows_the_rooms_that_the_linter_holds() -> None:
    (diagram,) = [block.text for block in blocks(ROOT / "README.md") if block.language == "mermaid"]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts[:2]:
        layers = [layer for layer in contract["layers"] if layer != "__main__"]
        rooms = [re.findall(r"(?<!\()\b\w+\b(?!\))", layer) for layer in layers]
        for upper, lower in pairwise(rooms):
            for room in lower:
                assert re.search(rf"\b{upper[0]}\b.*--> {room}\b", diagram) or room == "kernel", (upper, room)


# Figures


def test_the_figures_of_the_readme_are_those_that_were_measured() -> None:
    _, _, rows = (ROOT / "README.md").read_text().partition("| requests a second |")
    figures = re.findall(r"(?<=\| )\d[\d,]*(?= [|(])", rows.partition("\n\n")[0])
    assert len(figures) == 18
    measured = (ROOT / "bench" / "results.md").read_text()
    assert [figure for figure in figures if f"| {figure} |" not in measured] == []


# Settings


def example() -> dict[str, str]:
    """The settings of .env.example, as if the marks before them were taken away."""
    return dict(re.findall(r"^#([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a .env, and an environment without a setting."""
    monkeypatch.chdir(tmp_path)
    for name in (*SETTINGS, "ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def effective(settings: Settings) -> dict[str, Any]:
    return settings.model_dump() | {
        "log_level": settings.effective_log_level,
        "auth_mode": settings.effective_auth_mode,
        "migrate_on_start": settings.migrates_on_start,
        "rate_limits": settings.effective_rate_limits,
    }


def test_the_example_lists_every_setting_and_no_other() -> None:
    assert list(example()) == list(dict.fromkeys(example()))
    assert example().keys() == SETTINGS.keys()


def test_the_example_as_it_is_changes_nothing(empty_folder: Path) -> None:
    defaults = load_settings()
    (empty_folder / ".env").write_text((ROOT / ".env.example").read_text())
    assert load_settings() == defaults


def test_the_example_shows_the_defaults(empty_folder: Path) -> None:
    defaults = effective(load_settings())
    lines = [f"{name}={value}" for name, value in example().items() if name != "DATABASE_URL"]
    (empty_folder / ".env").write_text("\n".join(lines))
    assert effective(load_settings()) == defaults


def test_the_example_of_a_database_is_one_that_is_taken(empty_folder: Path) -> None:
    (empty_folder / ".env").write_text(f"DATABASE_URL={example()['DATABASE_URL']}")
    assert load_settings().database_url is not None


def table(heading: str) -> list[list[str]]:
    """The rows of the table of docs/configuration.md whose first heading this is."""
    text = (ROOT / "docs" / "configuration.md").read_text()
    _, _, rows = text.partition(f"| {heading} |")
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.split("\n\n")[0].splitlines()[2:]]


def test_the_configuration_page_lists_every_setting_with_its_default() -> None:
    listed = {name.strip("`"): default for name, default, *_ in table("setting")}
    assert listed.keys() == SETTINGS.keys() | {"ENVIRONMENT"}
    for name, default in SETTINGS.items():
        if default is None or default == ():
            assert not re.fullmatch(r"`[^`]*`", listed[name]), f"{name} has no default of its own"
        else:
            assert listed[name] == f"`{written(default)}`", name


def written(default: object) -> str:
    """A default as people write it into the environment."""
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(default) if isinstance(default, tuple) else str(default)


@pytest.mark.parametrize("app_env", ["dev", "test", "qa", "prod"])
def test_the_configuration_page_says_what_the_environments_mean(app_env: str, empty_folder: Path) -> None:
    (row,) = [row for row in table("APP_ENV") if row[0].split()[0] == app_env]
    needed = {"database_url": "postgresql://localhost/mainstay", "secret_key": "0123456789-0123456789-0123456789"}
    url = needed if row[4] == "refused" else {}
    settings = load_settings(app_env=app_env, **url)
    assert row[1:] == [
        settings.effective_log_level,
        "JSON" if settings.json_logs else "for people",
        "yes" if settings.show_cause else "no",
        "refused" if url else "yes",
        "yes" if settings.migrates_on_start else "no",
        settings.effective_auth_mode,
    ]
