"""`mainstay new service` and `mainstay remove service`, in copies of this checkout; what is refused, in this one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import mainstay
from mainstay.cli import app
from mainstay.cli.scaffold.checkout import Checkout, CheckoutError
from mainstay.cli.scaffold.page import written
from mainstay.cli.scaffold.service import read_command, to_add, to_remove
from tests.conformance.resources import RESOURCES

ROOT = Path(__file__).parents[1]
WAYBILLS = ("waybills", "--field", "number:str", "--field", "total_cents:int", "--field", "due:date")
LODGINGS = ("lodgings", "--field", "name:str", "--tenant", "--unique", "name")
SOUNDINGS = (
    "soundings",
    *("--field", "value:decimal", "--field", "taken_at:datetime", "--field", "note:text?", "--field", "is_valid:bool"),
)
OF_ALL = ("tests/events_test.py", "tests/frd_test.py", "tests/architecture_test.py")
"""The tests that hold every service to the documents and to the rooms."""
LINES = 250
"""A new service without its tests has fewer: what is more, the kernel has to say."""

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git, or no checkout of it"
)


class Copy:
    """A copy of what git knows and does not know yet, with a history of one commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        listed = self._git("ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT).split("\0")
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, root / name)
        self._git("init", "--quiet", ".")
        self.commit()

    def commit(self) -> None:
        """Take over everything that there is."""
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.hooksPath=/dev/null")
        self._git("add", "--all")
        self._git(*who, "commit", "--quiet", "--message", "a", "--no-gpg-sign")

    @property
    def status(self) -> str:
        """What git says has changed since."""
        return self._git("status", "--porcelain")

    @property
    def added(self) -> int:
        """Lines added since, but those of tests."""
        self._git("add", "--all", "--intent-to-add")
        counts = [line.split("\t") for line in self._git("diff", "--numstat").splitlines()]
        self._git("reset", "--quiet")
        return sum(int(added) for added, _, path in counts if not path.endswith("_test.py") and "tests/" not in path)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A module of the environment, on the copy's code."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        environment = {**inherited, "PYTHONPATH": str(self.root / "src")}
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def add(self, *arguments: str) -> None:
        """Write a service, as the command does."""
        checkout = Checkout(self.root)
        checkout.write(to_add(checkout, read_command(["mainstay", "new", "service", *arguments])).files)

    def clean(self) -> None:
        """Bring back what was committed."""
        self._git("checkout", "--quiet", ".")
        self._git("clean", "--force", "-d", "--quiet")

    def mainstay(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line."""
        return self.run("mainstay", *arguments)

    def passes(self, *arguments: str) -> None:
        """Run a module that has to find nothing wrong."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=cwd or self.root, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path / "copy")


@pytest.fixture(scope="module")
def kept_lodgings(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy that has a service, for several tests."""
    copy = Copy(tmp_path_factory.mktemp("lodgings") / "copy")
    copy.add(*LODGINGS)
    copy.commit()
    return copy


@pytest.fixture
def lodgings(kept_lodgings: Copy) -> Iterator[Copy]:
    """The same, and nothing else in it."""
    yield kept_lodgings
    kept_lodgings.clean()


# What is written


@pytest.mark.timeout(300)  # it starts tests of its own, on a machine that has others to run
def test_a_new_service_is_as_ours_are_and_can_be_removed_without_a_trace(copy: Copy) -> None:
    made = copy.mainstay("new", "service", *WAYBILLS)
    assert (made.returncode, made.stderr) == (0, "")
    assert copy.added < LINES
    copy.passes("ruff", "check", "--no-cache")
    copy.passes("ruff", "format", "--check", "--no-cache")
    own = ("src/mainstay/services/waybills", "tests/integration/waybills", "tests/conformance/documented_test.py")
    few = "waybills or as_documented or has_its_place or keeps_the_rule or contracts_between"
    copy.passes("pytest", "-q", "-p", "no:cacheprovider", *own, *OF_ALL, "-k", few)
    removed = copy.mainstay("remove", "service", "waybills")
    assert (removed.returncode, removed.stderr) == (0, "")
    assert copy.status == ""


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_three_services_of_different_shape_beside_ours(copy: Copy) -> None:
    shapes = (WAYBILLS, LODGINGS, SOUNDINGS)
    for shape in shapes:
        assert copy.mainstay("new", "service", *shape).returncode == 0
        assert copy.added < LINES, shape
        copy.commit()
    names = [shape[0] for shape in shapes]
    copy.passes("ruff", "check", "--no-cache")
    copy.passes("ruff", "format", "--check", "--no-cache")
    folders = [f"{place}/{name}" for name in names for place in ("src/mainstay/services", "tests/integration")]
    copy.passes("mypy", *folders, "src/mainstay/app", "src/mainstay/migrations/versions")
    copy.passes("pytest", "-q", "-p", "no:cacheprovider", *folders, *OF_ALL)
    rows = ("tests/conformance", "tests/integration/kernel/services_test.py", "-k", " or ".join(names))
    copy.passes("pytest", "-q", "-p", "no:cacheprovider", *rows)
    for name in reversed(names):
        removed = copy.mainstay("remove", "service", name)
        assert removed.returncode == 0, removed.stderr
    assert copy._git("diff", "HEAD~3") == ""


def test_what_is_tried_in_the_copies_has_a_row_of_ours_beside_it() -> None:
    assert {"pets", "tasks", "orders", "users"} <= {resource.name for resource in RESOURCES}


@pytest.mark.long
def test_a_dry_run_names_every_file_and_writes_none(copy: Copy) -> None:
    dry = copy.mainstay("new", "service", *WAYBILLS, "--dry-run")
    assert copy.status == ""
    wet = copy.mainstay("new", "service", *WAYBILLS)
    assert (dry.returncode, wet.returncode) == (0, 0)
    assert [line.split()[-1] for line in wet.stdout.splitlines()][:-1] == [
        line.split()[-1] for line in dry.stdout.splitlines()
    ]
    before = copy.status
    assert copy.mainstay("remove", "service", "waybills", "--dry-run").returncode == 0
    assert copy.status == before


# What is refused


def changed_since(copy: Copy) -> list[str]:
    """What is not as it was written."""
    return to_remove(Checkout(copy.root), "lodgings").refused


def test_a_folder_in_its_place_is_not_written_over(lodgings: Copy) -> None:
    (lodgings.root / "tests/integration/waybills/__pycache__").mkdir(parents=True)
    (lodgings.root / "tests/integration/waybills/calls_test.py").touch()
    with pytest.raises(CheckoutError, match="tests/integration/waybills is there already"):
        lodgings.add(*WAYBILLS)
    (lodgings.root / "tests/integration/waybills/calls_test.py").unlink()
    lodgings.add(*WAYBILLS)


def test_a_file_that_has_no_place_for_it_is_named(lodgings: Copy) -> None:
    (lodgings.root / "src/mainstay/settings.py").write_text("SERVICES: list[str] = []\n")
    with pytest.raises(CheckoutError, match=r"src/mainstay/settings\.py: not as it was"):
        lodgings.add(*WAYBILLS)


def test_what_is_not_committed_is_known(lodgings: Copy) -> None:
    checkout = Checkout(lodgings.root)
    assert checkout.uncommitted(["docs/FRD.md", "docs/events.md"]) == []
    (lodgings.root / "docs/FRD.md").write_text("")
    assert checkout.uncommitted(["docs/FRD.md", "docs/events.md"]) == ["docs/FRD.md"]


def test_what_nobody_has_changed_is_as_it_was_written(lodgings: Copy) -> None:
    assert changed_since(lodgings) == []


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("src/mainstay/services/lodgings/domain.py", "A lodging was added.", "A lodging was built."),
        ("tests/integration/lodgings/calls_test.py", "some text", "another text"),
        ("docs/FRD.md", "No two have the same `name`.", "A `name` is there once."),
        (".env.example", ",lodgings", ""),
        ("src/mainstay/app/services.py", "Lodgings, the newest first.", "Lodgings to sleep in."),
        (
            "tests/conformance/resources.py",
            '        unique="name",\n        default_limit=20',
            "        default_limit=20",
        ),
    ],
)
def test_what_somebody_has_changed_is_named(lodgings: Copy, path: str, before: str, after: str) -> None:
    file = lodgings.root / path
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))
    assert changed_since(lodgings) == [path]


def test_so_is_what_was_added_and_what_was_taken_away(lodgings: Copy) -> None:
    (lodgings.root / "src/mainstay/services/lodgings/prices.py").write_text('"""Prices."""\n')
    (lodgings.root / "src/mainstay/services/lodgings/schemas_test.py").unlink()
    package = "src/mainstay/services/lodgings"
    assert changed_since(lodgings) == [f"{package}/prices.py", f"{package}/schemas_test.py"]


@pytest.mark.parametrize(
    "text", ['"""Lodgings."""\n', '"""Lodgings.\n\nmainstay new service lodgings --field\n"""\n', "1 +", ""]
)
def test_a_service_that_does_not_say_what_made_it_stays(lodgings: Copy, text: str) -> None:
    (lodgings.root / "src/mainstay/services/lodgings/__init__.py").write_text(text)
    with pytest.raises(CheckoutError, match="which command"):
        changed_since(lodgings)


def test_a_migration_that_others_build_on_stays(lodgings: Copy) -> None:
    (found,) = (lodgings.root / "src/mainstay/migrations/versions").glob("*_add_lodgings.py")
    revision = found.name.removesuffix("_add_lodgings.py")
    found.with_name("2099_01_01_0000_paint_lodgings.py").write_text(f'down_revision = "{revision}"\n')
    with pytest.raises(CheckoutError, match=r"2099_01_01_0000_paint_lodgings\.py builds on the migration of lodgings"):
        changed_since(lodgings)


def test_a_migration_that_is_gone_is_missed(lodgings: Copy) -> None:
    (found,) = (lodgings.root / "src/mainstay/migrations/versions").glob("*_add_lodgings.py")
    found.unlink()
    with pytest.raises(CheckoutError, match="there is no migration"):
        changed_since(lodgings)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_commands_want_to_be_told_to_go_on(lodgings: Copy) -> None:
    frd = lodgings.root / "docs/FRD.md"
    frd.write_text(frd.read_text().replace("No two have the same `name`.", "A `name` is there once."))
    for arguments in (("new", "service", *WAYBILLS), ("remove", "service", "lodgings")):
        ended = lodgings.mainstay(*arguments)
        assert (ended.returncode, ended.stdout) == (2, "")
        (line,) = ended.stderr.splitlines()
        assert line.startswith("mainstay: docs/FRD.md: it ")
        assert "--force" in line
    assert lodgings.mainstay("new", "service", *WAYBILLS, "--force").returncode == 0
    assert "builds on the migration" in lodgings.mainstay("remove", "service", "lodgings", "--force").stderr
    assert lodgings.mainstay("remove", "service", "waybills").returncode == 0
    assert lodgings.mainstay("remove", "service", "lodgings", "--force").returncode == 0
    assert not (lodgings.root / "src/mainstay/services/lodgings").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("new", "service", "pets", "--field", "a:str"), "There is a service pets already"),
        (("new", "service", "sessions", "--field", "a:str"), "taken by the program itself"),
        (("new", "service", "Waybills", "--field", "a:str"), "is no name"),
        (("new", "service", "classes", "--field", "a:str"), "means something in Python"),
        (("new", "service", "people", "--field", "a:str"), "--singular"),
        (("new", "service", "waybills"), "--field"),
        (("new", "service", "waybills", "--field", "id:int"), "id is there already"),
        (("new", "service", "waybills", "--field", "a:money"), "there is no type 'money'"),
        (("new", "service", "waybills", "--field", "a:str", "--field", "a:int"), "a is there twice"),
        (("new", "service", "waybills", "--field", "a:int", "--unique", "a"), "--unique a"),
        *((("remove", "service", name), "it stays") for name in ("pets", "tasks", "configs", "orders", "users")),
        (("remove", "service", "waybills"), "There is no service waybills"),
        (("remove", "service", "../services/pets"), "There is no service"),
        (("remove", "service", ""), "There is no service"),
    ],
)
def test_a_wrong_word_is_one_line_and_changes_nothing(arguments: tuple[str, ...], reason: str) -> None:
    ended: Result = CliRunner().invoke(app, arguments)
    (line,) = ended.stderr.splitlines()
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert reason in line


def test_an_installed_program_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mainstay, "__file__", str(tmp_path / "site-packages" / "mainstay" / "__init__.py"))
    for arguments in (("new", "service", *WAYBILLS), ("remove", "service", "waybills")):
        ended = CliRunner().invoke(app, arguments)
        assert (ended.exit_code, "it is no checkout" in ended.stderr) == (2, True)


# All or nothing


@pytest.fixture
def folder(tmp_path: Path) -> Checkout:
    """A checkout, as far as files go."""
    (tmp_path / "there").write_text("before")
    (tmp_path / "gone").write_text("before")
    return Checkout(tmp_path)


def test_files_are_written_and_removed_with_their_folders(folder: Checkout) -> None:
    folder.write({"new/file": "after", "there": "after", "gone": None})
    assert folder.files_in(".") == ["new/file", "there"]
    assert folder.read("there") == "after"
    folder.write({"new/file": None})
    assert not folder.exists("new")


@pytest.mark.parametrize("impossible", ["there/is/a/file", "x" * 300])
def test_where_one_cannot_be_written_none_is(folder: Checkout, impossible: str) -> None:
    with pytest.raises(CheckoutError, match="nothing was changed"):
        folder.write({"new/file": "after", "there": "after", "gone": None, impossible: "after"})
    assert folder.files_in(".") == ["gone", "there"]
    assert [folder.read(path) for path in ("gone", "there")] == ["before", "before"]
    assert not folder.exists("new")


def test_who_breaks_it_off_leaves_everything_as_it_was(folder: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Checkout._put

    def break_off(checkout: Checkout, path: str, text: str | None) -> None:
        if text == "the last":
            raise KeyboardInterrupt
        put(checkout, path, text)

    monkeypatch.setattr(Checkout, "_put", break_off)
    before = folder.files_in("")
    with pytest.raises(KeyboardInterrupt):
        folder.write({"new/a.py": "a", "new/b.py": "the last"})
    assert folder.files_in("") == before


def test_what_cannot_be_read_is_found_out_before_anything_is_written(folder: Checkout) -> None:
    (folder.root / "picture").write_bytes(b"\xff")
    before = folder.files_in("")
    with pytest.raises(CheckoutError, match="picture: it cannot be read"):
        folder.write({"new/a.py": "a", "picture": None})
    assert folder.files_in("") == before


def test_without_git_nobody_knows_what_is_committed(folder: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.root / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert folder.uncommitted(["a"]) == []


# The page on events


def test_an_example_has_as_much_on_a_line_as_the_line_holds() -> None:
    long = {"a": "x" * 60, "b": "y" * 60, "c": {"d": 1, "e": None}}
    lines = written(long).splitlines()
    assert lines == [
        "{",
        f'  "a": "{"x" * 60}",',
        f'  "b": "{"y" * 60}",',
        '  "c": {',
        '    "d": 1, "e": null',
        "  }",
        "}",
    ]
