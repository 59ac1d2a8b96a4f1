"""The image: what its file says. That it builds, and what is in it then, scripts/image-test finds out."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mainstay import __version__
from mainstay.settings import SettingsError, load_settings
from tests.deploy.documents import ROOT, SETTINGS, image, stages

PYTHON = "python:3.13.5-slim"
NOT_OURS = {"LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "TZ"}
HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint is not installed: it has wheels for Linux and macOS")
def test_the_file_is_as_hadolint_wants_it() -> None:
    found = subprocess.run([HADOLINT, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_it_stands_on_the_python_that_is_promised() -> None:
    names = [stage.name for stage in stages()]
    assert {stage.base for stage in stages()} - set(names) == {PYTHON, "scratch"}
    assert image().pairs("LABEL")["org.opencontainers.image.base.name"] == f"docker.io/library/{PYTHON}"


def test_its_label_has_the_version_of_the_program() -> None:
    assert image().pairs("LABEL")["org.opencontainers.image.version"] == __version__


def test_what_runs_has_only_what_two_stages_made() -> None:
    copied = [text.split() for name, text in image().instructions if name in {"COPY", "ADD"}]
    assert copied == [["--from=system", "/", "/"], ["--from=build", "/opt/mainstay", "/opt/mainstay"]]
    assert "RUN" not in [name for name, _ in image().instructions]


def test_it_runs_as_nobody_who_has_rights() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", image().only("USER"))
    assert {text for stage in stages() for name, text in stage.instructions if name == "USER"} == {
        "10001",
        "10001:10001",
    }


def test_signals_reach_the_program() -> None:
    assert [*image().words("ENTRYPOINT"), *image().words("CMD")] == ["mainstay", "serve"]
    assert image().only("STOPSIGNAL") == "SIGTERM"


def test_its_environment_is_of_settings_that_exist() -> None:
    environment = image().pairs("ENV")
    assert environment.keys() - NOT_OURS <= SETTINGS
    assert environment["TZ"] == "UTC"
    assert environment.keys() >= NOT_OURS


def test_without_settings_it_starts_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in image().pairs("ENV").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="DATABASE_URL is required in prod"):
        load_settings()


def test_packages_come_by_the_hashes_of_the_lock() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    installs = re.findall(r"uv pip (?:install|sync) ([^&\n]*)", text)
    assert len(installs) == 4
    from_indexes = [line for line in installs if "require" in line]
    assert [line for line in from_indexes if "--require-hashes" not in line] == []
    assert [line for line in from_indexes if "--no-binary psycopg2-binary" not in line] == []
    assert [line for line in installs if line not in from_indexes and "--no-deps" not in line] == []


def test_the_lock_has_what_psycopg2_is_built_with() -> None:
    assert re.search(r"^setuptools==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert stages()[0].pairs("ENV")["UV_BUILD_CONSTRAINT"] == "requirements.lock"


def test_no_secret_is_given_while_it_is_built() -> None:
    given = [text for stage in stages() for name, text in stage.instructions if name in {"ARG", "ENV"}]
    assert not re.search(r"(?i)secret|password|token|DATABASE_URL", json.dumps(given))


# What a build may see


def patterns() -> list[tuple[bool, re.Pattern[str]]]:
    """The lines of .dockerignore: whether it keeps out or lets in, and which paths."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [
        (not line.startswith("!"), re.compile(f"{as_regex(line.lstrip('!'))}(?:/.*)?"))
        for line in lines
        if line and not line.startswith("#")
    ]


def as_regex(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")


def kept_out(path: str) -> bool:
    """The last line that fits decides."""
    fitting = [out for out, pattern in patterns() if pattern.fullmatch(path)]
    return fitting[-1] if fitting else False


@pytest.mark.parametrize(
    "path",
    [
        *(".env", ".env.prod", "src/.env", "deploy/kubernetes/.env.qa"),
        *(".git", ".git/config", ".venv/bin/python", ".venv-3.11/bin/python", ".uv/0.13.8/bin/uv"),
        *(".data/secret_key", "src/.data/secret_key", "tests/deploy/server.pem", "deploy/tls.key"),
        *("notes.txt", "dump.sql", "uv.lock", "dist/mainstay.whl", "reports/hurl/index.html", ".coverage"),
        *("src/mainstay/__pycache__/app.pyc", "__pycache__", "src/mainstay/app.pyc"),
    ],
)
def test_a_build_does_not_see(path: str) -> None:
    assert kept_out(path)


def test_a_build_sees_all_that_is_under_git() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert len(listed) > 100
    assert [path for path in listed if kept_out(path)] == []
