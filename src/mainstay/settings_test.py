import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mainstay.settings import SERVICES, Settings, SettingsError, load_settings

DATABASE = "postgresql://user:hunter2@db/mainstay"
SECRET = "hunter2-0123456789-abcdefghijklmnop"

Environment = Callable[..., None]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """An empty folder and an environment in which no setting is; sets what it is called with."""
    monkeypatch.chdir(tmp_path)
    for name in (*Settings.model_fields, "environment"):
        for spelled in {name, name.upper()} & set(os.environ):
            monkeypatch.delenv(spelled)

    def put(**names: str) -> None:
        for name, value in names.items():
            monkeypatch.setenv(name, value)

    return put


def refusal(**overrides: object) -> list[str]:
    """The lines that say what is wrong."""
    with pytest.raises(SettingsError) as raised:
        load_settings(**overrides)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None  # a traceback would show the value
    return str(raised.value).splitlines()


def test_the_environment_goes_before_its_file_and_that_before_the_common_file(environment: Environment) -> None:
    Path(".env").write_text("APP_ENV=qa\nAPP_PORT=1\nAPP_HOST=common\nDATA_DIR=common\n")
    Path(".env.qa").write_text("APP_PORT=2\nAPP_HOST=qa\n")
    Path(".env.dev").write_text("APP_PORT=4\nAPP_HOST=dev\nDATA_DIR=dev\n")
    environment(APP_PORT="3")
    settings = load_settings()
    assert (settings.app_env, settings.app_port, settings.app_host, settings.data_dir) == (
        "qa",
        3,
        "qa",
        Path("common"),
    )
    assert load_settings(app_port=5).app_port == 5


def test_the_process_environment_chooses_the_file(environment: Environment) -> None:
    Path(".env").write_text("APP_ENV=qa\n")
    Path(".env.qa").write_text("APP_PORT=2\n")
    Path(".env.test").write_text("APP_PORT=4\n")
    environment(APP_ENV="test")
    assert load_settings().app_port == 4


def test_a_file_for_an_environment_cannot_choose_another(environment: Environment) -> None:
    Path(".env.qa").write_text("APP_ENV=dev\nAPP_PORT=2\n")
    environment(APP_ENV="qa")
    assert (load_settings().app_env, load_settings().app_port) == ("qa", 2)


@pytest.mark.parametrize(
    ("names", "app_env"),
    [
        ({}, "dev"),
        ({"APP_ENV": ""}, "dev"),
        *[({"APP_ENV": name}, name) for name in ("dev", "test", "qa", "prod")],
        ({"ENVIRONMENT": "development"}, "dev"),
        ({"ENVIRONMENT": "staging"}, "qa"),
        ({"ENVIRONMENT": "production"}, "prod"),
        ({"ENVIRONMENT": "production", "APP_ENV": "prod"}, "prod"),
        ({"environment": "staging"}, "qa"),
    ],
)
def test_the_environment_has_two_names(environment: Environment, names: dict[str, str], app_env: str) -> None:
    environment(DATABASE_URL=DATABASE, SECRET_KEY=SECRET, **names)
    assert load_settings().app_env == app_env


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ({"ENVIRONMENT": "production", "APP_ENV": "dev"}, r"APP_ENV, ENVIRONMENT: .*disagree.*"),
        ({"ENVIRONMENT": "staging", "APP_ENV": "prod"}, r"APP_ENV, ENVIRONMENT: .*disagree.*"),
        ({"ENVIRONMENT": "prod"}, r"ENVIRONMENT: .*'development', 'staging' or 'production'"),
        ({"APP_ENV": "production"}, r"APP_ENV: .*'dev', 'test', 'qa' or 'prod'"),
        ({"APP_ENV": "PROD"}, r"APP_ENV: .*"),
    ],
)
def test_an_unclear_environment_is_refused(environment: Environment, names: dict[str, str], line: str) -> None:
    environment(DATABASE_URL=DATABASE, **names)
    (said,) = refusal()
    assert re.fullmatch(line, said)


@pytest.mark.parametrize(
    ("app_env", "level", "json", "cause", "migrates"),
    [
        ("dev", "DEBUG", False, True, True),
        ("test", "WARNING", False, False, True),
        ("qa", "INFO", True, False, True),
        ("prod", "INFO", True, False, False),
    ],
)
def test_what_follows_from_the_environment(
    environment: Environment, app_env: str, level: str, json: bool, cause: bool, migrates: bool
) -> None:
    environment(APP_ENV=app_env, DATABASE_URL=DATABASE, SECRET_KEY=SECRET)
    settings = load_settings()
    assert settings.effective_log_level == level
    assert settings.json_logs is json
    assert settings.show_cause is cause
    assert settings.migrates_on_start is migrates
    environment(LOG_LEVEL="ERROR", MIGRATE_ON_START=str(not migrates))
    assert load_settings().effective_log_level == "ERROR"
    assert load_settings().migrates_on_start is not migrates


@pytest.mark.parametrize("app_env", ["dev", "test", "qa"])
def test_a_database_of_its_own_is_found_outside_production(environment: Environment, app_env: str) -> None:
    environment(APP_ENV=app_env)
    assert load_settings().database_url is None


@pytest.mark.parametrize("given", [{}, {"SECRET_KEY": ""}])
def test_production_wants_a_secret(environment: Environment, given: dict[str, str]) -> None:
    environment(APP_ENV="prod", DATABASE_URL="postgresql://db/mainstay", **given)
    (line,) = refusal()
    assert "SECRET_KEY" in line
    assert "prod" in line


def test_a_secret_that_signs_comes_before_the_one_that_has_signed(environment: Environment) -> None:
    environment(SECRET_KEY=SECRET, SECRET_KEY_PREVIOUS=SECRET[::-1])
    assert load_settings().given_secrets == [SECRET.encode(), SECRET[::-1].encode()]


def test_the_secret_before_is_of_no_use_alone(environment: Environment) -> None:
    environment(SECRET_KEY_PREVIOUS=SECRET)
    assert "set both" in refusal()[0]


@pytest.mark.parametrize("cost", ["4", "9"])
def test_production_wants_hashes_that_cost_something(environment: Environment, cost: str) -> None:
    environment(APP_ENV="prod", DATABASE_URL=DATABASE, SECRET_KEY=SECRET, BCRYPT_COST=cost)
    (line,) = refusal()
    assert "BCRYPT_COST is at least 10" in line
    environment(BCRYPT_COST="10")
    assert load_settings().bcrypt_cost == 10
    environment(APP_ENV="qa", BCRYPT_COST=cost)
    assert load_settings().bcrypt_cost == int(cost)


@pytest.mark.parametrize("given", [{}, {"DATABASE_URL": ""}])
def test_production_wants_a_database(environment: Environment, given: dict[str, str]) -> None:
    environment(APP_ENV="prod", **given)
    (line,) = refusal()
    assert "DATABASE_URL" in line
    assert "prod" in line


WRONG = {
    "APP_HOST": [],
    "APP_PORT": ["hunter2", "-1", "65536", "80.5", "1e2"],
    "SERVICES": ["hunter2", "pets,hunter2", ",", "Pets"],
    "DATA_DIR": [],
    "SECRET_KEY": ["hunter2", "hunter2" * 4, "changeme-" + "hunter2" * 5, "x" * 32, "your-secret-key-" + "hunter2" * 5],
    "SECRET_KEY_PREVIOUS": ["hunter2", "hunter2" * 4],
    "AUTH_MODE": ["hunter2", "Open", "none", "false"],
    **{f"AUTH_MODE_{name.upper()}": ["hunter2", "Open"] for name in SERVICES if name != "users"},
    "PASSWORD_HASH": ["hunter2", "argon2", "md5"],
    "BCRYPT_COST": ["hunter2", "3", "17", "12.5"],
    "TOKEN_KEY_FILE": [],
    "TOKEN_KEY_FILES_OTHER": ["hunter2"],
    "LOG_LEVEL": ["hunter2", "debug", "TRACE"],
    "CORS_ORIGINS": ["hunter2", "https://hunter2/", "https://a/hunter2", "https://a b", "HTTPS://hunter2", "https://"],
    "DATABASE_URL": [
        "hunter2",
        "mysql://user:hunter2@db/x",
        "POSTGRESQL",
        "sqlite:///hunter2",
        "postgresql://[hunter2",
        "postgresql://a:hunter2@b:c/d",
    ],
    "DB_POOL_MIN": ["hunter2", "0", "11", "1001"],
    "DB_POOL_MAX": ["hunter2", "0", "1", "1001"],
    "DB_CONNECT_TIMEOUT": ["hunter2", "0", "-1", "nan", "inf"],
    "DB_POOL_TIMEOUT": ["hunter2", "0", "-1", "nan", "inf"],
    "DB_LOCK_TIMEOUT": ["hunter2", "0", "-1", "nan", "inf"],
    "DB_STATEMENT_TIMEOUT": ["hunter2", "0", "-1", "nan", "inf"],
    "MIGRATE_ON_START": ["hunter2", "2"],
    "TASKS_STORAGE": ["hunter2", "memory", "sqlite"],
    "PETS_STORAGE": ["hunter2", "sqlite", "POSTGRES"],
    "WEBHOOK_URL": ["hunter2", "ftp://a/hunter2", "https://hunter2:x/", "https:///hunter2"],
    "WEBHOOK_SECRET": ["hunter2", "whsec_hunter2", "whsec_aHVudGVyMg==", ","],
    "TOPIC_PREFIX": ["hunter2.", ".hunter2", "a..hunter2", "hunter2 a", "hunter2>", "hunter2:", "x" * 101],
    "NATS_URL": [
        "hunter2",
        "http://hunter2",
        "nats://a:hunter2",
        "nats://a/hunter2",
        "nats://a,hunter2",
        "nats://a nats://b",
    ],
    "NATS_STREAM": ["hunter2.x", "hunter2 x", "hunter2>", "x" * 101],
    "KAFKA_BOOTSTRAP_SERVERS": ["hunter2", "kafka://hunter2:9092", "a:9092,hunter2", "a:hunter2", "a b:9092"],
    "REDIS_URL": ["hunter2", "http://a/hunter2", "redis://a:hunter2/", "redis://a/hunter2", "redis://a?db=hunter2"],
    "RATE_LIMITS": [
        "hunter2",
        "read",
        "read=0/minute",
        "read=5/day",
        "read=5/minute,read=6/minute",
        "none,read=1/second",
        ",",
    ],
    "REDIS_STREAM_LENGTH": ["hunter2", "0", "-1", "1e6"],
    "MAX_BODY_BYTES": ["hunter2", "0", "-1", "1MiB", "1e6"],
    "HEADER_TIMEOUT": ["hunter2", "0", "-1", "nan", "inf"],
    "BODY_TIMEOUT": ["hunter2", "0", "-1", "nan", "inf"],
    "KEEP_ALIVE_TIMEOUT": ["hunter2", "0", "-1", "nan", "inf"],
    "DRAIN_SECONDS": ["hunter2", "-1", "nan", "inf"],
    "GRACEFUL_TIMEOUT": ["hunter2", "0", "-1", "nan", "inf"],
    "IDEMPOTENCY_HOURS": ["hunter2", "0", "-1", "1.5"],
    "RELAY": ["hunter2", "2"],
    "SINKS": ["hunter2", "log,hunter2", "Log", "log,none", "log;nats"],
    "OUTBOX_MAX_ATTEMPTS": ["hunter2", "0", "-1", "1.5", "101"],
    "OUTBOX_RETENTION_DAYS": ["hunter2", "0", "-1", "1.5", "3651"],
}


def test_every_setting_is_tried_below() -> None:
    assert {name.upper() for name in Settings.model_fields} == {*WRONG, "APP_ENV"}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_setting_is_one_line_with_its_name_and_without_its_value(
    environment: Environment, name: str, value: str
) -> None:
    environment(**{name: value})
    (line,) = refusal()
    assert name in line
    assert "hunter2" not in line
    assert "Value error" not in line


def test_every_wrong_setting_has_its_line(environment: Environment) -> None:
    environment(APP_PORT="hunter2", LOG_LEVEL="hunter2", BODY_TIMEOUT="hunter2")
    assert [line.partition(":")[0] for line in refusal()] == ["APP_PORT", "LOG_LEVEL", "BODY_TIMEOUT"]


@pytest.mark.parametrize("name", [".env", ".env.dev"])
@pytest.mark.parametrize("content", [b"APP_PORT=80\xff80\n", b"\xff\xfeA\x00"])
def test_a_file_that_is_no_text_is_named(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    (line,) = refusal()
    assert ".env" in line


@pytest.mark.parametrize("content", ["UNKNOWN=1\nAPP_PORTS=2\n", "", "# APP_PORT=1\n\n", "APP_PORT=\n", "APP_PORT\n"])
def test_what_is_unknown_or_empty_is_passed_over(environment: Environment, content: str) -> None:
    Path(".env").write_text(content)
    environment(MAINSTAY_ANYTHING="1", LOG_LEVEL="")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("value", "origins"),
    [("", ()), ("https://a", ("https://a",)), (" https://a , https://b,", ("https://a", "https://b")), ("*", ("*",))],
)
def test_lists_are_separated_by_commas(environment: Environment, value: str, origins: tuple[str, ...]) -> None:
    environment(CORS_ORIGINS=value)
    assert load_settings().cors_origins == origins


@pytest.mark.parametrize(
    ("value", "sinks"),
    [
        ("log", ("log",)),
        (" nats , webhook,", ("nats", "webhook")),
        ("log,redis,log", ("log", "redis")),
        ("none", ()),
    ],
)
def test_each_sink_is_named_once_or_none_is(environment: Environment, value: str, sinks: tuple[str, ...]) -> None:
    environment(SINKS=value)
    assert load_settings().sinks == sinks


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgres://db",
        "postgresql://user@db/mainstay",
        "postgresql://us%40er:p@ss:word@db:5432/main?sslmode=require",
        "postgresql://user@[::1]:5432/mainstay",
        "postgresql://user@/mainstay?host=/run/postgresql&port=5433",
        "postgresql://a:5432,b:5433/mainstay?target_session_attrs=read-write",
    ],
)
def test_a_database_can_be_named_in_every_way_that_postgresql_knows(environment: Environment, url: str) -> None:
    environment(DATABASE_URL=url)
    assert load_settings().database_url is not None


OTHERS = {*SERVICES} - {"users"}


@pytest.mark.parametrize(
    ("names", "guarded"),
    [
        ({}, set()),
        ({"APP_ENV": "test"}, set()),
        ({"APP_ENV": "qa"}, OTHERS),
        ({"APP_ENV": "prod"}, OTHERS),
        ({"APP_ENV": "prod", "AUTH_MODE": "open"}, set()),
        ({"AUTH_MODE": "required"}, OTHERS),
        ({"AUTH_MODE_PETS": "required"}, {"pets"}),
        ({"AUTH_MODE_TASKS": "required", "AUTH_MODE_ORDERS": "required"}, {"tasks", "orders"}),
        ({"AUTH_MODE": "required", "AUTH_MODE_CONFIGS": "open"}, OTHERS - {"configs"}),
        ({"APP_ENV": "qa", "AUTH_MODE": "open", "AUTH_MODE_PETS": "open"}, set()),
    ],
)
def test_users_want_a_token_always_the_others_where_it_is_said(
    environment: Environment, names: dict[str, str], guarded: set[str]
) -> None:
    environment(**{"DATABASE_URL": DATABASE, "SECRET_KEY": SECRET, **names})
    assert load_settings().guarded == {"users", *guarded}


def test_keys_that_verify_go_with_the_one_that_signs(environment: Environment) -> None:
    environment(TOKEN_KEY_FILE="new.pem", TOKEN_KEY_FILES_OTHER="old.pem, next.pem")
    settings = load_settings()
    assert settings.token_key_file == Path("new.pem")
    assert settings.token_key_files_other == (Path("old.pem"), Path("next.pem"))


def test_secrets_are_not_shown(environment: Environment) -> None:
    environment(DATABASE_URL=DATABASE, WEBHOOK_URL="https://a/hunter2", WEBHOOK_SECRET=f"whsec_{'hunter2/' * 4}")
    environment(REDIS_URL="redis://:hunter2@a", NATS_URL="nats://hunter2@a,tls://a:hunter2@b:1")
    assert "hunter2" not in f"{load_settings()!r} {load_settings()}"


@pytest.mark.parametrize(
    ("services", "pets", "tasks", "needed"),
    [
        ("pets,tasks", "postgres", "postgres", True),
        ("pets,tasks", "memory", "postgres", True),
        ("pets,tasks", "postgres", "sqlite-memory", True),
        ("pets,tasks", "memory", "sqlite-memory", False),
        ("pets", "memory", "postgres", False),
        ("tasks,tasks", "postgres", "sqlite-memory", False),
        ("tasks", "memory", "postgres", True),
        ("pets,tasks,configs", "memory", "sqlite-memory", True),
    ],
)
def test_a_database_is_needed_where_a_chosen_service_keeps_its_data_there(
    environment: Environment, services: str, pets: str, tasks: str, needed: bool
) -> None:
    environment(SERVICES=services, PETS_STORAGE=pets, TASKS_STORAGE=tasks)
    assert load_settings().needs_postgres is needed
