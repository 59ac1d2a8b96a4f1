"""The black-box tests and scripts/hurl-e2e, which runs them: it leaves nothing behind but the reports."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "tests" / "hurl").glob("*.hurl"))
SCENARIOS_OF_TASKS = (
    *("aaa_sort_priority", "healthz", "readyz", "request_id_propagation", "task_create"),
    *("task_create_validation_errors", "task_create_duplicate_title", "task_not_found", "task_patch_partial"),
    *("task_put_full_replace", "task_lifecycle", "task_list_filter_sort", "task_full_flow"),
)
READY = "GET {{base_url}}/readyz\nHTTP 200\n"
WRONG = """
POST {{base_url}}/v1/tasks
{"title": "wrong"}
HTTP 201
[Captures]
id: jsonpath "$.id"
[Asserts]
jsonpath "$.priority" == 1

DELETE {{base_url}}/v1/tasks/{{id}}
HTTP 204
"""
SOON = 15  # seconds; less than the script gives a server that does not stop
FAILED = 4  # hurl's exit code where an assertion is not met

needs_hurl = pytest.mark.skipif(shutil.which("hurl") is None, reason="hurl is not installed: run scripts/install-hurl")
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


class Checkout:
    """As much of a checkout as the script needs, with places of its own for reports and temporary files."""

    def __init__(self, folder: Path) -> None:
        self.hurl = folder / "tests" / "hurl"
        self.reports = folder / "reports" / "hurl"
        self.script = folder / "scripts" / "hurl-e2e"
        self.temporary = folder / "tmp"
        self._programs = folder / "bin"
        self.env_file = folder / ".env"
        shutil.copytree(ROOT / "tests" / "hurl", self.hurl)
        for path in (self.script.parent, self.temporary, self._programs):
            path.mkdir()
        shutil.copy(ROOT / "scripts" / "hurl-e2e", self.script)

    def only(self, **texts: str) -> None:
        """Put these files in place of those that are there; a server is ready where it says 200."""
        for file in self.hurl.iterdir():
            file.unlink()
        for name, text in {"readyz": READY, **texts}.items():
            (self.hurl / f"{name}.hurl").write_text(text)

    def stand_in(self, script: str) -> None:
        """What runs in place of `mainstay`."""
        path = self._programs / "mainstay"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Start the script in a process group of its own."""
        path = os.pathsep.join([str(self._programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.Popen(
            [self.script],
            env={"PATH": path, "HOME": str(self.temporary), "TMPDIR": str(self.temporary), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end. Whatever that is, nothing may be left behind."""
        process = self.start(**environment)
        out, err = process.communicate()
        self.assert_nothing_is_left(process)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def assert_nothing_is_left(self, process: subprocess.Popen[str]) -> None:
        """No process of the script's group, no temporary file."""
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
        assert list(self.temporary.iterdir()) == []

    def reported(self) -> dict[str, bool]:
        """The files in the report of the last run, in their order, and whether each has passed."""
        assert (self.reports / "index.html").is_file()
        runs = json.loads((self.reports / "report.json").read_text())
        return {Path(run["filename"]).stem: run["success"] for run in runs}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "checkout"
    folder.mkdir()
    return Checkout(folder)


@pytest.fixture
def signals_reach_children() -> Iterator[None]:
    """Where a shell runs the tests in the background, they ignore Ctrl-C, and so would whatever they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# The files


def test_the_scenarios_of_tasks_are_there_and_the_one_for_an_empty_database_is_first() -> None:
    assert {file.stem for file in FILES} >= set(SCENARIOS_OF_TASKS)
    assert FILES[0].stem == "aaa_sort_priority"


@each_file
def test_every_request_goes_to_the_server_that_is_named(file: Path) -> None:
    requests = re.findall(r"^[A-Z]{3,} (?!\d)(\S+)", file.read_text(), re.MULTILINE)
    assert requests
    assert [url for url in requests if not url.startswith("{{base_url}}")] == []


@each_file
def test_what_is_made_bears_the_name_of_the_file_and_is_told_apart_from_another_run(file: Path) -> None:
    made = [entry for entry in file.read_text().split("\n\n") if "\nHTTP 201" in entry]
    assert [entry for entry in made if file.stem not in entry.casefold() or "{{run}}" not in entry] == []


@each_file
def test_every_hurl_reads_the_paths_alike(file: Path) -> None:
    """Hurl 8 answers with the one value where Hurl 7 answers with a list of one."""
    assert re.findall(r'jsonpath "[^"]*(?:\*|\?|\.\.)[^"]*"', file.read_text()) == []


# The script


def test_make_help_tells_of_it() -> None:
    told = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert re.search(r"^  hurl-e2e +\S", told, re.MULTILINE)


def test_where_hurl_is_missing_it_says_how_to_get_it(checkout: Checkout, tmp_path: Path) -> None:
    programs = tmp_path / "without-hurl"
    programs.mkdir()
    for name in ("bash", "dirname"):
        (programs / name).symlink_to(str(shutil.which(name)))
    told = checkout.run(PATH=str(programs))
    assert (told.returncode, told.stdout) == (127, "")
    assert "scripts/install-hurl" in told.stderr
    assert not checkout.reports.exists()


@needs_hurl
def test_a_server_that_is_named_is_tested_again_and_again_and_none_is_started(
    checkout: Checkout, serve: Callable[..., Any], tmp_path: Path
) -> None:
    checkout.stand_in(f"touch {tmp_path}/started")
    url = serve().url
    for _ in range(2):
        told = checkout.run(BASE_URL=f"{url}/")
        assert told.returncode == 0, told.stderr
        assert checkout.reported() == {file.stem: True for file in FILES}
        assert next(iter(checkout.reported())) == "aaa_sort_priority"
        assert httpx.get(f"{url}/v1/tasks").json()["total"] == 0
        assert httpx.get(f"{url}/pets").json()["_meta"]["total"] == 0
    assert not (tmp_path / "started").exists()


@needs_hurl
def test_what_a_file_has_made_is_removed_when_it_fails(checkout: Checkout, serve: Callable[..., Any]) -> None:
    checkout.only(wrong=WRONG)
    url = serve().url
    assert checkout.run(BASE_URL=url).returncode == FAILED
    assert checkout.reported() == {"readyz": True, "wrong": False}
    assert httpx.get(f"{url}/v1/tasks").json()["total"] == 0


@needs_hurl
def test_its_own_server_is_stopped_and_removed_when_a_file_fails(checkout: Checkout) -> None:
    checkout.only(tasks="GET {{base_url}}/v1/tasks\nHTTP 200\n", wrong=WRONG)
    checkout.env_file.write_text("SERVICES=pets\n")
    nowhere = "http://127.0.0.1:9"
    told = checkout.run(DATABASE_URL="postgresql://127.0.0.1:9/kept", SERVICES="pets", http_proxy=nowhere)
    assert told.returncode == FAILED, told.stderr
    assert checkout.reported() == {"readyz": True, "tasks": True, "wrong": False}
    log = (checkout.reports / "server.log").read_text()
    assert "Application shutdown complete" in log
    pids = re.search(r"server process \[(\d+)\].*PostgreSQL is up: process (\d+) in", log, re.DOTALL)
    assert pids
    for pid in pids.groups():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@needs_hurl
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it(checkout: Checkout, sig: signal.Signals, signals_reach_children: None) -> None:
    checkout.only()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        checkout.stand_in(f"echo listening on http://127.0.0.1:{listener.getsockname()[1]}; exec sleep 60")
        process = checkout.start()
        ready, _ = listener.accept()
        ready.recv(1000)
        ready.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        asked, _ = listener.accept()  # by the tests, which wait for an answer
        process.send_signal(sig)
        process.communicate(timeout=SOON)
        ready.close()
        asked.close()
    assert process.returncode == 128 + sig
    checkout.assert_nothing_is_left(process)


@needs_hurl
@pytest.mark.parametrize(
    ("stand_in", "reason"),
    [
        ("echo the port is taken; exit 2", "the port is taken"),
        ("exec sleep 60", "raise READY_SECONDS"),
        ("echo listening on http://127.0.0.1:9; exec sleep 60", "http://127.0.0.1:9 is not ready"),
    ],
    ids=["ends", "does not listen", "does not answer"],
)
def test_a_server_that_does_not_start_is_told_of(checkout: Checkout, stand_in: str, reason: str) -> None:
    checkout.stand_in(stand_in)
    told = checkout.run(READY_SECONDS="1")
    assert told.returncode == 1
    assert reason in told.stderr
    assert not (checkout.reports / "report.json").exists()


@needs_hurl
def test_reports_of_an_earlier_run_are_replaced(checkout: Checkout) -> None:
    checkout.stand_in("exit 2")
    checkout.reports.mkdir(parents=True)
    (checkout.reports / "report.json").write_text("[]")
    assert checkout.run().returncode == 1
    assert not (checkout.reports / "report.json").exists()
