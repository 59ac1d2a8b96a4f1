"""The wheel alone, without the checkout: all that the program needs at run time is in it, and nothing else."""

import os
import signal
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]
PET = {"name": "Mittens", "species": "cat", "age_years": 2, "status": "available"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the backend that pyproject.toml names."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment of its own, with the wheel in it and the packages of this one beside it.

    They come by a path alone: of the .pth file that makes the checkout importable here, nothing gets through.
    """
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    zipfile.ZipFile(wheel).extractall(packages)
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return folder / "bin" / "python"


@contextmanager
def serving(python: Path, folder: Path) -> Iterator[str]:
    """`mainstay serve` in the folder, as it comes; its address. At the end it has to stop in good order when told."""
    process = subprocess.Popen(
        [python, "-I", "-m", "mainstay", "serve", "--port", "0"],
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "listening on " in line:
                yield line.partition("listening on ")[2].split()[0]
                break
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate()
        assert process.returncode == 0, "".join(said) + rest
    finally:
        process.kill()


def test_the_wheel_holds_the_package_without_its_tests(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert names == {name for name in files if "__pycache__" not in name and not name.endswith("_test.py")}
    assert any(name.endswith("_test.py") for name in files)


def test_the_wheel_brings_the_command_and_names_the_pinned_dependencies(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    info = {Path(name).name: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name}
    assert "mainstay = mainstay.cli:main" in info["entry_points.txt"].splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {line.partition(": ")[2] for line in info["METADATA"].splitlines() if line.startswith("Requires-Dist: ")}
    extras = [f"{pin};extra=='{name}'" for name, pins in project["optional-dependencies"].items() for pin in pins]
    assert {name.replace(" ", "") for name in wanted} == {*project["dependencies"], *extras}


def test_the_program_that_runs_is_the_installed_one(python: Path, tmp_path: Path) -> None:
    ask = [str(python), "-I", "-c", "import mainstay; print(mainstay.__file__)"]
    told = subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(told.stdout.strip()).is_relative_to(python.parents[1])


def test_a_pet_outlives_a_restart_in_an_empty_folder(python: Path, tmp_path: Path) -> None:
    with serving(python, tmp_path) as url:
        created = httpx.post(f"{url}/pets", json=PET)
        assert (created.status_code, created.headers["location"]) == (201, "/pets/1")
        assert httpx.get(f"{url}/pets/1").json() == created.json()
        assert httpx.get(f"{url}/docs").status_code == 200
    with serving(python, tmp_path) as url:
        assert httpx.get(f"{url}/pets/1").json() == {"id": 1, **PET, "version": 1}
    assert [path.name for path in tmp_path.iterdir()] == [".data"]


@pytest.mark.parametrize(
    ("environment", "reason"),
    [({"APP_ENV": "prod"}, "DATABASE_URL is required in prod"), ({"SERVICES": "cats"}, "SERVICES: names services")],
)
def test_a_wrong_setting_is_said_in_one_line(
    python: Path, tmp_path: Path, environment: dict[str, str], reason: str
) -> None:
    told = subprocess.run(
        [python, "-I", "-m", "mainstay", "serve"],
        cwd=tmp_path,
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2
    assert told.stdout == ""
    assert reason in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
