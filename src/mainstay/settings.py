"""The only reader of the environment: `.env` < `.env.<APP_ENV>` < the process's own; unknown names are ignored."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mainstay.kernel.core.rates import Group, Rate, parse_rates
from mainstay.kernel.sinks.signature import signing_keys

AppEnv = Literal["dev", "test", "qa", "prod"]
AuthMode = Literal["open", "required"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

SERVICES = (
    "pets",
    "tasks",
    "configs",
    "orders",
    "users",
)
SINKS = ("log", "webhook", "nats", "kafka", "redis")

SECRET_BYTES = 32
"""At least: what HMAC-SHA256 can make use of."""

BCRYPT_COST_MIN = 10
"""In production; tests may have it cheaper. The OWASP cheat sheet on passwords names it as the least."""

_PLACEHOLDER = re.compile(r"(?i)change[ _-]?(?:me|this|it)|placeholder|example|your[ _-]?secret|insecure|(.)\1{15}")
"""What stands in documents and templates in place of a secret, and one key held down."""
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/?#@\s]+")
_HOST = r"(?:\[[0-9a-fA-F:.]+\]|[^\s:,/?\[\]@]*)(?::[0-9]{1,5})?"
_DATABASE_URL = re.compile(rf"postgres(?:ql)?://(?:[^/]*@)?{_HOST}(?:,{_HOST})*(?:/[^?]*)?(?:\?.*)?")
_NATS_SERVER = rf"(?:nats|tls)://(?:[^/?#@,\s]*@)?{_HOST}"
_NATS_URL = re.compile(rf"{_NATS_SERVER}(?:,{_NATS_SERVER})*")
_KAFKA_SERVER = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_REDIS_URL = re.compile(rf"rediss?://(?:[^/?#@\s]*@)?{_HOST}(?:/[0-9]{{1,5}})?")
_ENVIRONMENTS: dict[str, AppEnv] = {"development": "dev", "staging": "qa", "production": "prod"}
_LOG_LEVELS: dict[AppEnv, LogLevel] = {"dev": "DEBUG", "test": "WARNING", "qa": "INFO", "prod": "INFO"}


_RATE_LIMITS = "read=600/minute,write=120/minute,auth=30/minute"


class SettingsError(Exception):
    """A setting is wrong. The message has one line for each, with its name and what to do, never its value."""


def _split(value: object) -> object:
    """Comma-separated, as people write lists into the environment."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Settings(BaseSettings):
    """How this deployment runs. Each field is the environment variable of its name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    app_env: AppEnv = "dev"
    app_host: str = Field("127.0.0.1", min_length=1)
    app_port: int = Field(8000, ge=0, le=65535)
    services: Annotated[tuple[str, ...], NoDecode] = SERVICES
    data_dir: Path = Path(".data")
    log_level: LogLevel | None = None
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()

    secret_key: SecretStr | None = None
    secret_key_previous: SecretStr | None = None

    auth_mode: AuthMode | None = None
    auth_mode_pets: AuthMode | None = None
    auth_mode_tasks: AuthMode | None = None
    auth_mode_configs: AuthMode | None = None
    auth_mode_orders: AuthMode | None = None
    password_hash: Literal["bcrypt", "argon2id"] = "bcrypt"  # noqa: S105 - the name of a method
    bcrypt_cost: int = Field(12, ge=4, le=16)
    token_key_file: Path | None = None
    token_key_files_other: Annotated[tuple[Path, ...], NoDecode] = ()

    database_url: SecretStr | None = None
    db_pool_min: int = Field(2, ge=1, le=1000)
    db_pool_max: int = Field(10, ge=1, le=1000)
    db_connect_timeout: float = Field(1.3, gt=0, le=60)
    db_pool_timeout: float = Field(0.4, gt=0, le=60)
    db_lock_timeout: float = Field(0.9, gt=0, le=60)
    db_statement_timeout: float = Field(1.3, gt=0, le=600)
    migrate_on_start: bool | None = None

    pets_storage: Literal["postgres", "memory"] = "postgres"
    tasks_storage: Literal["postgres", "sqlite-memory"] = "postgres"

    webhook_url: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    topic_prefix: str = Field("mainstay", pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=100)
    nats_url: SecretStr | None = None
    nats_stream: str = Field("MAINSTAY", pattern=r"^[A-Za-z0-9_-]{1,100}$")
    kafka_bootstrap_servers: Annotated[tuple[str, ...], NoDecode] = ()
    redis_url: SecretStr | None = None
    redis_stream_length: int | None = Field(None, ge=1)

    rate_limits: str | None = None
    max_body_bytes: int = Field(1_048_576, ge=1, le=1_073_741_824)
    header_timeout: float = Field(10, gt=0, le=600)
    body_timeout: float = Field(30, gt=0, le=600)
    keep_alive_timeout: float = Field(5, gt=0, le=600)
    drain_seconds: float = Field(0, ge=0, le=600)
    graceful_timeout: float = Field(10, gt=0, le=600)
    idempotency_hours: int = Field(72, ge=1, le=8760)

    relay: bool = True
    sinks: Annotated[tuple[str, ...], NoDecode] = ("log",)
    outbox_max_attempts: int = Field(12, ge=1, le=100)
    outbox_retention_days: int = Field(7, ge=1, le=3650)

    _comma_separated = field_validator(
        *("services", "cors_origins", "sinks", "kafka_bootstrap_servers", "token_key_files_other"), mode="before"
    )(_split)

    @field_validator("services")
    @classmethod
    def _known_services(cls, services: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(services) - set(SERVICES))
        if unknown or not services:
            raise ValueError(f"names services that do not exist; there are: {', '.join(SERVICES)}")
        return services

    @field_validator("sinks")
    @classmethod
    def _known_sinks(cls, sinks: tuple[str, ...]) -> tuple[str, ...]:
        if sinks == ("none",):  # an empty value is as good as no value, so this is the way to say it
            return ()
        if set(sinks) - set(SINKS):
            raise ValueError(f"names sinks that do not exist; there are: {', '.join(SINKS)}; or none alone")
        return tuple(dict.fromkeys(sinks))

    @field_validator("cors_origins")
    @classmethod
    def _origins_of_browsers(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("takes origins such as https://app.example:8443 (no path, no slash at the end), or *")
        return origins

    @field_validator("secret_key", "secret_key_previous")
    @classmethod
    def _secret(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value().encode()) < SECRET_BYTES:
            raise ValueError(f"has to be {SECRET_BYTES} bytes or more; `openssl rand -base64 48` makes one")
        if key is not None and _PLACEHOLDER.search(key.get_secret_value()):
            raise ValueError("is a placeholder that everybody knows; `openssl rand -base64 48` makes a secret")
        return key

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _DATABASE_URL.fullmatch(url.get_secret_value()):
            raise ValueError("has to be like postgresql://user:password@host:5432/database")
        return url

    @field_validator("webhook_url")
    @classmethod
    def _url_of_a_webhook(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            from mainstay.kernel.sinks.webhook import webhook_url  # noqa: PLC0415 - 50 ms, for who has one

            webhook_url(url.get_secret_value())
        return url

    @field_validator("webhook_secret")
    @classmethod
    def _secrets_of_the_standard(cls, secrets: SecretStr | None) -> SecretStr | None:
        if secrets is not None:
            signing_keys(secrets.get_secret_value())
        return secrets

    @field_validator("nats_url")
    @classmethod
    def _nats(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _NATS_URL.fullmatch(url.get_secret_value()):
            raise ValueError("has to be like nats://user:password@host:4222, or tls://; several with commas between")
        return url

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _kafka(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_KAFKA_SERVER.fullmatch(server) for server in servers):
            raise ValueError("takes host:port, several with commas between")
        return servers

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _REDIS_URL.fullmatch(url.get_secret_value()):
            raise ValueError("has to be like redis://user:password@host:6379/0, or rediss:// for TLS")
        return url

    @field_validator("rate_limits")
    @classmethod
    def _rates(cls, rates: str | None) -> str | None:
        if rates is not None:
            parse_rates(rates)
        return rates

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.db_pool_min > self.db_pool_max:
            raise ValueError("DB_POOL_MIN is above DB_POOL_MAX")
        if self.app_env == "prod" and self.database_url is None:
            raise ValueError("DATABASE_URL is required in prod: the embedded PostgreSQL is not for production")
        if self.app_env == "prod" and self.secret_key is None:
            raise ValueError("SECRET_KEY is required in prod; `openssl rand -base64 48` makes one")
        if self.app_env == "prod" and self.bcrypt_cost < BCRYPT_COST_MIN:
            raise ValueError(f"BCRYPT_COST is at least {BCRYPT_COST_MIN} in prod: cheaper hashes are guessed too fast")
        if self.token_key_files_other and self.token_key_file is None:
            raise ValueError("TOKEN_KEY_FILES_OTHER go with the one that signs: set TOKEN_KEY_FILE too")
        if self.secret_key_previous is not None and self.secret_key is None:
            raise ValueError("SECRET_KEY_PREVIOUS is the one before SECRET_KEY: set both")
        return self

    @property
    def effective_log_level(self) -> LogLevel:
        """LOG_LEVEL, else what the environment has by default."""
        return self.log_level or _LOG_LEVELS[self.app_env]

    @property
    def effective_auth_mode(self) -> AuthMode:
        """AUTH_MODE, else required where others than developers call."""
        return self.auth_mode or ("required" if self.app_env in {"qa", "prod"} else "open")

    @property
    def effective_rate_limits(self) -> Mapping[Group, Rate]:
        """RATE_LIMITS, else what the environment has by default: where people try things out, signing in alone."""
        rates = parse_rates(self.rate_limits or _RATE_LIMITS)
        if self.rate_limits is None and self.app_env in {"dev", "test"}:
            return {"auth": rates["auth"]}
        return rates

    @property
    def idempotency_seconds(self) -> float:
        """How long the answer to an idempotency key is kept."""
        return self.idempotency_hours * 3600.0

    @property
    def given_secrets(self) -> Sequence[bytes]:
        """SECRET_KEY, which signs, then SECRET_KEY_PREVIOUS, whose signatures still count; of these, those given."""
        return [key.get_secret_value().encode() for key in (self.secret_key, self.secret_key_previous) if key]

    @property
    def guarded(self) -> frozenset[str]:
        """The services that take no call without a token: users always, the others as AUTH_MODE and its kin say."""
        own = {name: getattr(self, f"auth_mode_{name}") for name in SERVICES if name != "users"}
        mode = self.effective_auth_mode
        return frozenset({"users", *(name for name, chosen in own.items() if (chosen or mode) == "required")})

    @property
    def in_process(self) -> Mapping[str, str]:
        """The chosen services that keep their data in this process alone, each with the name of its storage."""
        storages = {"pets": self.pets_storage, "tasks": self.tasks_storage}
        return {name: storages[name] for name in self.services if storages.get(name, "postgres") != "postgres"}

    @property
    def needs_postgres(self) -> bool:
        """Whether any chosen service keeps its data there."""
        return len(self.in_process) < len(set(self.services))

    @property
    def json_logs(self) -> bool:
        """Logs for machines where machines read them."""
        return self.app_env in {"qa", "prod"}

    @property
    def show_cause(self) -> bool:
        """Whether an error may tell its technical cause."""
        return self.app_env == "dev"

    @property
    def migrates_on_start(self) -> bool:
        """MIGRATE_ON_START, else everywhere but in production, where a step of its own does it once."""
        return self.app_env != "prod" if self.migrate_on_start is None else self.migrate_on_start


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process; `overrides` (command line options) go before everything. Raises SettingsError."""
    try:
        app_env = _Environment().resolve()
        return Settings(_env_file=(".env", f".env.{app_env}"), **{"app_env": app_env, **overrides})
    except ValidationError as error:
        raise SettingsError("\n".join(_line(found) for found in error.errors())) from None
    except (OSError, UnicodeDecodeError):
        raise SettingsError(".env, .env.<APP_ENV>: one of these files cannot be read, or is not UTF-8") from None


class _Environment(BaseSettings):
    """The two names for the environment, read first: they say which other file is read."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    app_env: AppEnv | None = None
    environment: Literal["development", "staging", "production"] | None = None

    def resolve(self) -> AppEnv:
        """APP_ENV, or what ENVIRONMENT means by it. Raises SettingsError where they disagree."""
        meant = _ENVIRONMENTS[self.environment] if self.environment else None
        if self.app_env and meant and self.app_env != meant:
            raise SettingsError(f"APP_ENV, ENVIRONMENT: they disagree (ENVIRONMENT={self.environment} means {meant})")
        return self.app_env or meant or "dev"


class _Traces(BaseSettings):
    """OpenTelemetry's own variables, as far as they say whether there are traces. Its SDK reads the rest."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", extra="ignore", env_ignore_empty=True)

    sdk_disabled: str = "false"
    traces_exporter: str = "otlp"
    exporter_otlp_endpoint: str | None = None
    exporter_otlp_traces_endpoint: str | None = None


def wants_traces() -> bool:
    """Whether a receiver of traces is named, and nothing switches them off."""
    found = _Traces()
    named = found.exporter_otlp_endpoint or found.exporter_otlp_traces_endpoint
    return bool(named) and found.sdk_disabled.lower() != "true" and found.traces_exporter == "otlp"


def _line(found: Any) -> str:
    """One finding of pydantic's as a line, without the value: that may be a secret."""
    name = "".join(str(part).upper() for part in found["loc"][:1])
    message = found["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
