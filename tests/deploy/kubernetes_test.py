"""deploy/kubernetes: what the manifests say fits together, and fits the program and its image."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from mainstay.app import create_app
from mainstay.cli.commands import app as commands
from mainstay.kernel.http.health import CHECK_SECONDS
from mainstay.settings import Settings, SettingsError, load_settings
from tests.deploy.documents import ROOT, SETTINGS, image, kustomization, manifests

FOLDER = ROOT / "deploy" / "kubernetes"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
URL = "postgresql://mainstay:of-nobody@postgres:5432/mainstay"
KEY = "0123456789-0123456789-0123456789"


def objects(kind: str) -> list[dict[str, Any]]:
    return [found for found in manifests() if found["kind"] == kind]


def workloads() -> list[dict[str, Any]]:
    return [found for found in manifests() if "template" in found["spec"]]


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [found for found in objects(kind) if found["metadata"]["name"] == name]
    return found


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = workload["spec"]["template"]["spec"]
    return found


def container(workload: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod(workload)["containers"]
    return dict(found)


def labels(workload: dict[str, Any]) -> dict[str, str]:
    return dict(workload["spec"]["template"]["metadata"]["labels"])


def values_under(name: str, document: Any) -> Iterator[Any]:
    """Whatever stands under this name, however deep."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from [value] if key == name else values_under(name, value)
    elif isinstance(document, list):
        for value in document:
            yield from values_under(name, value)


def literals() -> dict[str, str]:
    (generated,) = kustomization()["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generated["literals"])


def secret() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "secret.example.yaml").read_text())
    return found


def settings_of(workload: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the program makes of the variables of a pod, the image's among them."""
    own = {variable["name"]: variable["value"] for variable in container(workload).get("env", [])}
    for name, value in {**image().pairs("ENV"), **literals(), **own}.items():
        monkeypatch.setenv(name, value)
    return load_settings(database_url=URL, secret_key=KEY)


WORKLOADS = [pytest.param(found, id=found["metadata"]["name"]) for found in workloads()]


def test_the_objects_are_those_promised() -> None:
    assert sorted((found["kind"], found["metadata"]["name"]) for found in manifests()) == [
        ("Deployment", "mainstay-api"),
        ("Deployment", "mainstay-relay"),
        ("HorizontalPodAutoscaler", "mainstay-api"),
        ("Job", "mainstay-migrate"),
        ("NetworkPolicy", "mainstay"),
        ("NetworkPolicy", "mainstay-api"),
        ("NetworkPolicy", "mainstay-relay"),
        ("PodDisruptionBudget", "mainstay-api"),
        ("Service", "mainstay-api"),
    ]


def test_every_file_is_used_but_the_example() -> None:
    files = {path.name for path in FOLDER.iterdir()}
    assert files == {*kustomization()["resources"], "kustomization.yaml", "secret.example.yaml"}


def test_no_namespace_is_named() -> None:
    assert list(values_under("namespace", [*manifests(), kustomization(), secret()])) == []


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_image_is_the_one_that_the_kustomization_names(workload: dict[str, Any]) -> None:
    assert [container(workload)["image"]] == [found["name"] for found in kustomization()["images"]]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_pod_runs_a_command_that_there_is(workload: dict[str, Any]) -> None:
    command = get_command(commands)
    for argument in container(workload)["args"]:
        command = command.commands[argument]  # type: ignore[attr-defined] # a group, else there are too many arguments
    assert "commands" not in vars(command)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_pod_can_do_nothing_that_it_need_not(workload: dict[str, Any]) -> None:
    user, group = map(int, image().only("USER").split(":"))
    assert pod(workload)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": group,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(workload)["automountServiceAccountToken"] is False
    assert pod(workload)["enableServiceLinks"] is False


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_pod_says_what_it_takes(workload: dict[str, Any]) -> None:
    resources = container(workload)["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert resources["limits"].keys() == {"memory"}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_what_a_pod_mounts_is_there(workload: dict[str, Any]) -> None:
    assert {mount["name"]: mount["mountPath"] for mount in container(workload)["volumeMounts"]} == {"tmp": "/tmp"}  # noqa: S108
    assert [volume["name"] for volume in pod(workload)["volumes"]] == ["tmp"]


# Settings


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_variable_is_a_setting_and_its_value_is_taken(
    workload: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {variable["name"] for variable in container(workload).get("env", [])}
    assert own | literals().keys() | secret()["stringData"].keys() <= SETTINGS
    settings = settings_of(workload, monkeypatch)
    assert settings.app_env == "prod"
    assert settings.app_host == "0.0.0.0"  # noqa: S104 - in a pod
    assert not settings.migrates_on_start


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_pod_reads_the_settings_and_the_secret(workload: dict[str, Any]) -> None:
    (generated,) = kustomization()["configMapGenerator"]
    assert container(workload)["envFrom"] == [
        {"configMapRef": {"name": generated["name"]}},
        {"secretRef": {"name": secret()["metadata"]["name"]}},
    ]


def test_the_secret_is_an_example_that_the_program_refuses() -> None:
    assert secret()["stringData"].keys() == {"DATABASE_URL", "SECRET_KEY"}
    with pytest.raises(SettingsError, match="SECRET_KEY: is a placeholder"):
        load_settings(app_env="prod", **{name.lower(): value for name, value in secret()["stringData"].items()})


def test_the_relay_works_where_the_api_leaves_it_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not settings_of(named("Deployment", "mainstay-api"), monkeypatch).relay
    assert named("Deployment", "mainstay-relay")["spec"]["replicas"] == 2


# Probes, stopping


def test_probes_ask_what_is_answered() -> None:
    api = container(named("Deployment", "mainstay-api"))
    probes = {name: api[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    answered = create_app(load_settings(app_env="test")).openapi()["paths"]
    assert [probe["path"] for probe in probes.values() if "get" not in answered.get(probe["path"], ())] == []
    assert (probes["readinessProbe"]["path"], probes["livenessProbe"]["path"]) == ("/readyz", "/healthz")
    assert {probe["port"] for probe in probes.values()} == {"http"}


def test_the_port_is_the_one_that_the_program_listens_on(monkeypatch: pytest.MonkeyPatch) -> None:
    api = named("Deployment", "mainstay-api")
    port = settings_of(api, monkeypatch).app_port
    assert container(api)["ports"] == [{"name": "http", "containerPort": port}]
    assert named("Service", "mainstay-api")["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]


def test_a_readiness_probe_waits_longer_than_what_it_asks() -> None:
    probe = container(named("Deployment", "mainstay-api"))["readinessProbe"]
    assert probe["timeoutSeconds"] > CHECK_SECONDS


@pytest.mark.parametrize("name", ["mainstay-api", "mainstay-relay"])
def test_a_pod_has_the_time_that_it_takes_to_stop(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = named("Deployment", name)
    settings = settings_of(workload, monkeypatch)
    assert pod(workload)["terminationGracePeriodSeconds"] >= settings.drain_seconds + settings.graceful_timeout + 5


def test_a_pod_is_drained_for_longer_than_it_takes_to_see_that_it_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    api = named("Deployment", "mainstay-api")
    probe = container(api)["readinessProbe"]
    seen = probe["periodSeconds"] * probe["failureThreshold"]
    assert settings_of(api, monkeypatch).drain_seconds > seen


# Who is meant


@pytest.mark.parametrize("workload", [param for param in WORKLOADS if param.id != "mainstay-migrate"])
def test_a_deployment_finds_its_pods(workload: dict[str, Any]) -> None:
    assert workload["spec"]["selector"] == {"matchLabels": labels(workload)}
    spread = pod(workload)["topologySpreadConstraints"]
    assert [found for found in spread if found["labelSelector"] != {"matchLabels": labels(workload)}] == []


def test_the_service_the_budget_and_the_autoscaler_mean_the_api() -> None:
    api = named("Deployment", "mainstay-api")
    assert named("Service", "mainstay-api")["spec"]["selector"] == labels(api)
    assert named("PodDisruptionBudget", "mainstay-api")["spec"]["selector"] == {"matchLabels": labels(api)}
    meant = named("HorizontalPodAutoscaler", "mainstay-api")["spec"]["scaleTargetRef"]
    assert meant == {"apiVersion": api["apiVersion"], "kind": api["kind"], "name": api["metadata"]["name"]}
    assert "replicas" not in api["spec"]  # else each `apply` would undo what the autoscaler did


def test_workloads_are_told_apart() -> None:
    assert len({tuple(labels(found).items()) for found in workloads()}) == len(workloads()) == 3


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mainstay", {"mainstay-api", "mainstay-relay", "mainstay-migrate"}),
        ("mainstay-api", {"mainstay-api"}),
        ("mainstay-relay", {"mainstay-relay"}),
    ],
)
def test_a_network_policy_means(name: str, meant: set[str]) -> None:
    wanted = named("NetworkPolicy", name)["spec"]["podSelector"]["matchLabels"].items()
    assert {found["metadata"]["name"] for found in workloads() if wanted <= labels(found).items()} == meant


def test_nobody_is_let_in_but_to_the_api() -> None:
    let_in = {found["metadata"]["name"]: found["spec"].get("ingress", []) for found in objects("NetworkPolicy")}
    assert let_in == {
        "mainstay": [],
        "mainstay-api": [{"ports": [{"protocol": "TCP", "port": "http"}]}],
        "mainstay-relay": [],
    }
    assert "Ingress" in named("NetworkPolicy", "mainstay")["spec"]["policyTypes"]


# As kubectl sees it

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def put_together(folder: Path) -> list[dict[str, Any]]:
    told = subprocess.run(["kubectl", "kustomize", str(folder)], check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(told.stdout))


@needs_kubectl
def test_kubectl_puts_it_together() -> None:
    kinds = [found["kind"] for found in put_together(FOLDER)]
    assert sorted(kinds) == sorted(["ConfigMap", *(found["kind"] for found in manifests())])


@needs_kubectl
def test_the_overlay_of_the_documentation_does_what_it_says(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n(# overlays/.*?)^```", OPERATIONS, re.MULTILINE | re.DOTALL)
    overlay = tmp_path / text.splitlines()[0].removeprefix("# ")
    overlay.parent.mkdir(parents=True)
    overlay.write_text(text)
    shutil.copytree(FOLDER, tmp_path / "deploy" / "kubernetes")
    found = put_together(overlay.parent)
    assert {one["metadata"]["namespace"] for one in found} == {"mainstay"}
    assert {container(one)["image"] for one in found if "template" in one.get("spec", ())} == {
        "registry.example/mainstay:0.1.0"
    }
    (configuration,) = [one["data"] for one in found if one["kind"] == "ConfigMap"]
    assert configuration == {**literals(), "SINKS": "webhook", "DB_POOL_MAX": "5"}


def test_the_commands_of_the_documentation_name_what_there_is() -> None:
    named_there = re.findall(r"\b(job|deployment)[/ ](mainstay-\w+)", OPERATIONS)
    there = {(found["kind"].lower(), found["metadata"]["name"]) for found in manifests()}
    assert len(named_there) >= 4
    assert set(named_there) <= there
