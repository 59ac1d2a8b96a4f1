"""The dashboard and the alert rules: what they ask for is there, and every alert says what to do."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from mainstay.kernel.db.relay.relay import Relay
from mainstay.kernel.sinks.log import LogSink

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "mainstay.json"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
OF_THE_SCRAPE = {"job", "instance"}
"""Labels that Prometheus adds."""

Series = dict[str, set[str]]
"""The labels of each metric, by the name of its samples."""


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> list[str]:
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*(alert["expr"] for alert in alerts()), *asked]


def selected(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric with the labels that are matched; a selector always has braces here."""
    for name, matchers in re.findall(r"([a-z_]+)\{(.*?)\}", expression):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', matchers)))


def grouped(expression: str) -> set[str]:
    return {name for names in re.findall(r"by \(([^)]*)\)", expression) for name in re.findall(r"\w+", names)}


def unknown(expression: str, series: Series) -> set[str]:
    """What it asks for that is not there: metrics, and labels of those."""
    found = list(selected(expression))
    known = {*OF_THE_SCRAPE, *(label for name, _ in found for label in series.get(name, ()))}
    labels = {label for name, matched in found for label in matched - series.get(name, set()) - OF_THE_SCRAPE}
    return {name for name, _ in found if name not in series} | labels | (grouped(expression) - known)


@pytest.fixture
async def series(client: httpx.AsyncClient, database_url: str) -> Series:
    """What a program shows that has answered a request and relayed."""
    await Relay(database_url, [LogSink()]).run_once()
    await client.get("/pets")
    series: Series = {"up": set()}
    for family in text_string_to_metric_families((await client.get("/metrics")).text):
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels)
    return series


async def test_what_is_asked_for_is_there(series: Series) -> None:
    assert len(expressions()) > 30
    assert [expression for expression in expressions() if not list(selected(expression))] == []
    missing = {expression: unknown(expression, series) for expression in expressions()}
    assert {expression: names for expression, names in missing.items() if names} == {}


async def test_what_is_there_is_on_the_dashboard_and_in_the_document(series: Series) -> None:
    """By the family; of a histogram or a summary one of its series is enough."""
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in series} - {"up"}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for each in expressions() for name, _ in selected(each)}
    assert families - shown == set()
    listed = set(re.findall(r"`([a-z_]+)`", OPERATIONS.partition("## Metrics")[2].partition("## Alerts")[0]))
    assert families - listed == set()


@pytest.mark.parametrize(
    ("expression", "missing"),
    [
        ('rate(nothing_total{job="mainstay"}[5m])', {"nothing_total"}),
        ('sum by (sink) (up{job="mainstay"})', {"sink"}),
        ('up{jobs="mainstay"}', {"jobs"}),
        ('a_total{route=~"x=y"} / b_total{job="mainstay"}', {"b_total"}),
        ('sum by (route, job) (a_total{route!="/b{c}"})', set()),
    ],
)
def test_what_is_not_there_is_found(expression: str, missing: set[str]) -> None:
    assert unknown(expression, {"up": set(), "a_total": {"route"}}) == missing


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    assert alert["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["labels"]["severity"] in {"critical", "warning"}
    (paragraph,) = re.findall(rf"^### {name}\n\n((?:.+\n)+)", OPERATIONS, re.MULTILINE)
    assert "Look first" in paragraph


def test_no_runbook_is_left_without_its_alert() -> None:
    written = re.findall(r"^### (Mainstay\w+)$", OPERATIONS, re.MULTILINE)
    assert sorted(written) == sorted(alert["alert"] for alert in alerts())


def test_the_dashboard_can_be_imported() -> None:
    found = panels()
    assert len({panel["id"] for panel in found}) == len({panel["title"] for panel in found}) == len(found)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in found}
    assert len(places) == len(found)
    sources = {each["datasource"]["uid"] for panel in found for each in (panel, *panel["targets"])}
    assert sources == {"${datasource}"}
    assert [panel["title"] for panel in found if not panel["description"].endswith(".")] == []


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_rules() -> None:
    ended = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_reads_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    texts = [re.sub(r"\$__rate_interval", "5m", expression) for expression in asked]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(texts)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    ended = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
