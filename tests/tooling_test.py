"""The tools around the program: what the files say agrees with each other, and with what the documents promise."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
INTERNAL_TARGETS = {"setup"}
PROMISED_TARGETS = {
    *("help", "install", "run", "dev", "all", "lint", "typecheck", "test", "test-unit", "test-integration"),
    *("test-contract", "schemathesis", "faults", "long", "bench", "migrate", "status", "verify", "openapi", "lock"),
    *("clients", "httplint", "lint-openapi", "hurl-e2e", "test-latest", "compose-up", "compose-logs", "compose-down"),
}
A_PATH_OF_SOMEONES_MACHINE = re.compile(r"(?<![\w.~}-])/(?:work|root|farm|home/\w+|Users/\w+)/")
A_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PROGRAM = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
LATEST = tomllib.loads((ROOT / "scripts/latest/uv.toml").read_text())
UNPINNED = ["fastapi", "psycopg2-binary", "pydantic", "pytest", "sqlalchemy[asyncio]", "starlette"]


def test_make_help_lists_every_target_that_is_not_internal() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    listed = re.findall(r"^  ([a-z0-9-]+) +\S", _make("help"), re.MULTILINE)
    assert set(listed) == targets - INTERNAL_TARGETS
    assert len(listed) == len(set(listed))


def test_the_promised_targets_are_there() -> None:
    assert set(re.findall(r"^  ([a-z0-9-]+) +\S", _make("help"), re.MULTILINE)) >= PROMISED_TARGETS


def test_make_without_a_target_shows_the_help() -> None:
    assert _make() == _make("help")


@pytest.mark.parametrize("target", ["compose-up", "compose-logs", "compose-down"])
def test_without_docker_make_says_what_is_missing(target: str, tmp_path: Path) -> None:
    for tool in ("make", "sh", "sed"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    command = ["make", "--no-print-directory", target]
    told = subprocess.run(command, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("Docker with its Compose plugin is needed")


def test_the_environment_is_kept_from_uv_which_would_sync_it_to_a_resolution_of_its_own() -> None:
    assert re.search(r"^export UV_NO_SYNC = 1$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_no_python_is_demanded_that_a_machine_might_have_to_download() -> None:
    assert not (ROOT / ".python-version").exists()
    assert PROGRAM["tool"]["uv"]["python-downloads"] == "never"


def test_the_lock_names_no_registry() -> None:
    assert "://" not in "\n".join(line for line in LOCK.splitlines() if not line.lstrip().startswith("#"))
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)", LOCK, re.MULTILINE)


def test_every_pin_of_the_lock_has_a_hash() -> None:
    pins = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(pins) > len(_declared())
    assert [pin.splitlines()[0] for pin in pins if "==" not in pin or not A_HASH.search(pin)] == []


@pytest.mark.parametrize("requirement", [*PROGRAM["project"]["dependencies"], *PROGRAM["dependency-groups"]["test"]])
def test_a_direct_dependency_is_pinned(requirement: str) -> None:
    overridden = {_split(pin)[0] for pin in PROGRAM["tool"]["uv"]["override-dependencies"]}
    assert "==" in requirement or re.split(r"[<>=]", requirement)[0] in overridden


def test_every_pin_of_pyproject_stands_in_the_lock() -> None:
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", LOCK, re.MULTILINE))
    assert {name: locked.get(name) for name in _declared()} == _declared()


def test_no_file_names_a_path_of_someones_machine() -> None:
    named = [
        f"{path}:{number}: {line.strip()}"
        for path in _tracked()
        for number, line in enumerate(_text(ROOT / path).splitlines(), 1)
        if A_PATH_OF_SOMEONES_MACHINE.search(line)
    ]
    assert named == []


def test_the_newest_are_taken_of_the_six_and_of_nothing_else() -> None:
    assert {**PROGRAM["tool"]["uv"], "override-dependencies": UNPINNED} == LATEST


def test_the_newest_stop_no_change_of_ours() -> None:
    jobs = _workflow()["jobs"]
    runs = {name: [step.get("run") for step in job["steps"]] for name, job in jobs.items()}
    assert [name for name, lines in runs.items() if "make test-latest" in lines] == ["latest"]
    assert [name for name, job in jobs.items() if job.get("continue-on-error") is True] == ["latest"]
    assert [name for name, job in jobs.items() if "latest" in job.get("needs", ())] == []
    assert "test-latest" not in (ROOT / ".ci/run").read_text()


def test_the_workflow_runs_every_python_and_postgresql_that_we_promise() -> None:
    matrix = _workflow()["jobs"]["test"]["strategy"]["matrix"]
    assert {"3.11", "3.13.5"} <= set(matrix["python"])
    assert {"15", "16", "18"} <= set(matrix["postgres"])


def test_the_workflow_may_read_and_nothing_else() -> None:
    assert _workflow()["permissions"] == {"contents": "read"}
    assert [name for name, job in _workflow()["jobs"].items() if "permissions" in job] == []


def test_a_job_of_the_workflow_cannot_hang_for_hours() -> None:
    assert [name for name, job in _workflow()["jobs"].items() if not 0 < job.get("timeout-minutes", 0) <= 30] == []


def test_an_action_is_pinned_to_a_commit_which_nobody_can_move() -> None:
    steps = [step for job in _workflow()["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []


def test_the_hooks_clone_nothing_and_their_programs_are_there() -> None:
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    hooks = repos[0]["hooks"]
    assert {"ruff", "ruff-format", "bandit", "lock"} <= {hook["id"] for hook in hooks}
    assert [hook["id"] for hook in hooks if not (ROOT / hook["entry"].split()[0]).is_file()] == []


def _make(*targets: str) -> str:
    return subprocess.run(
        ["make", "--no-print-directory", *targets], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def _workflow() -> Any:
    return yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())


def _declared() -> dict[str, str]:
    """The exact pins of pyproject.toml, groups and extras included: the name and the version."""
    project = PROGRAM["project"]
    lists = [project["dependencies"], *project.get("optional-dependencies", {}).values()]
    groups = PROGRAM["dependency-groups"].values()
    texts = [text for entries in [*lists, *groups] for text in entries if isinstance(text, str)]
    texts += PROGRAM["tool"]["uv"]["override-dependencies"]
    return dict(_split(text) for text in texts if "==" in text)


def _split(requirement: str) -> tuple[str, str]:
    name, version = requirement.split("==")
    return re.sub(r"\[.*\]", "", name).lower().replace("_", "-"), version.split(";")[0].strip()


def _tracked() -> list[str]:
    """Paths of the files under git, or, where there is no git, of all that a checkout has."""
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        folders = [ROOT / name for name in ("src", "tests", "docs", "scripts", "bench", ".github", ".ci")]
        files = [*ROOT.iterdir(), *(file for folder in folders for file in folder.rglob("*"))]
        return [str(file.relative_to(ROOT)) for file in files if "__pycache__" not in file.parts]
    return [path for path in listed.split("\0") if path]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):  # deleted since, a folder, or no text
        return ""
