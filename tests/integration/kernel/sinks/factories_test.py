import sys
from typing import Any

import pytest

from mainstay.app.events import SINKS
from mainstay.kernel.core.errors import StartupError
from mainstay.settings import Settings, load_settings

SECRET = f"whsec_{'hunter2/' * 4}"
COMPLETE = {
    "webhook_url": "https://user:hunter2@hooks.example/events",
    "webhook_secret": SECRET,
    "nats_url": "nats://a:4222,nats://b:4222",
    "kafka_bootstrap_servers": "a:9092,b:9092",
    "redis_url": "rediss://:hunter2@a:6380/1",
}
LIBRARIES = {"nats": "nats", "kafka": "aiokafka", "redis": "redis"}


def settings(**changed: Any) -> Settings:
    return load_settings(**{"app_env": "test", **COMPLETE, **changed})


@pytest.mark.parametrize("name", ["log", "webhook", "nats", "kafka", "redis"])
async def test_each_sink_is_made_from_the_settings_and_opens_and_closes_although_nobody_is_there(name: str) -> None:
    async with SINKS[name](settings()) as sink:
        assert sink.name == name


def test_there_is_no_other() -> None:
    assert list(SINKS) == ["log", "webhook", "nats", "kafka", "redis"]


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("webhook", "webhook_url"),
        ("webhook", "webhook_secret"),
        ("nats", "nats_url"),
        ("kafka", "kafka_bootstrap_servers"),
        ("redis", "redis_url"),
    ],
)
def test_a_setting_that_is_missing_is_named(name: str, setting: str) -> None:
    with pytest.raises(StartupError) as raised:
        SINKS[name](settings(**{setting: () if setting == "kafka_bootstrap_servers" else None}))
    assert str(raised.value) == f"SINKS has {name}: {setting.upper()} is required"


@pytest.mark.parametrize(("name", "library"), LIBRARIES.items())
def test_a_package_that_is_missing_is_named_with_the_command_that_brings_it(
    name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [module for module in sys.modules if module.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"mainstay.kernel.sinks.{name}", raising=False)
    with pytest.raises(StartupError) as raised:
        SINKS[name](settings())
    assert "\n" not in str(raised.value)
    assert f"pip install 'mainstay[{name}]'" in str(raised.value)
