"""Where events go: the sinks that the settings name, and the relay that takes events there."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from pydantic import SecretStr

from mainstay.app.database import database_url, migrate, said_plainly
from mainstay.kernel.core.errors import StartupError
from mainstay.kernel.core.sink import Sink
from mainstay.kernel.db.relay.options import RelayOptions
from mainstay.kernel.db.relay.relay import Relay
from mainstay.kernel.ops.database_metrics import RelayMetrics
from mainstay.kernel.ops.logging import configure_logging
from mainstay.kernel.sinks import from_extra
from mainstay.kernel.sinks.log import LogSink
from mainstay.kernel.sinks.signature import signing_keys
from mainstay.settings import Settings


def _webhook(settings: Settings) -> Sink:
    from mainstay.kernel.sinks.webhook import WebhookSink  # with its HTTP client, 50 ms of a start

    url = _needed("webhook", WEBHOOK_URL=settings.webhook_url)
    return WebhookSink(url, signing_keys(_needed("webhook", WEBHOOK_SECRET=settings.webhook_secret)))


def _nats(settings: Settings) -> Sink:
    servers = _needed("nats", NATS_URL=settings.nats_url).split(",")
    with from_extra("nats", "The sink nats"):
        from mainstay.kernel.sinks.nats import NatsSink
    return NatsSink(servers, settings.topic_prefix, settings.nats_stream)


def _kafka(settings: Settings) -> Sink:
    if not settings.kafka_bootstrap_servers:
        raise StartupError("SINKS has kafka: KAFKA_BOOTSTRAP_SERVERS is required")
    with from_extra("kafka", "The sink kafka"):
        from mainstay.kernel.sinks.kafka import KafkaSink
    return KafkaSink(settings.kafka_bootstrap_servers, settings.topic_prefix)


def _redis(settings: Settings) -> Sink:
    url = _needed("redis", REDIS_URL=settings.redis_url)
    with from_extra("redis", "The sink redis"):
        from mainstay.kernel.sinks.redis import RedisSink
    return RedisSink(url, settings.topic_prefix, settings.redis_stream_length)


def _needed(sink: str, **setting: SecretStr | None) -> str:
    ((name, value),) = setting.items()
    if value is None:
        raise StartupError(f"SINKS has {sink}: {name} is required")
    return value.get_secret_value()


SINKS: dict[str, Callable[[Settings], Sink]] = {
    "log": lambda _: LogSink(),
    "webhook": _webhook,
    "nats": _nats,
    "kafka": _kafka,
    "redis": _redis,
}
"""Where events can be sent, by the names that SINKS has. Each raises StartupError where something for it is missing."""


def make_relay(url: str, settings: Settings, metrics: RelayMetrics | None = None) -> Relay:
    """A relay for the chosen sinks. Raises StartupError where something for one is missing."""
    return Relay(url, [SINKS[name](settings) for name in settings.sinks], relay_options(settings), metrics)


def relay_options(settings: Settings) -> RelayOptions:
    """What the settings say of the relay."""
    return RelayOptions(
        max_attempts=settings.outbox_max_attempts,
        keep_events=timedelta(days=settings.outbox_retention_days),
        keep_keys=timedelta(hours=settings.idempotency_hours),
    )


@asynccontextmanager
async def relaying(url: str, settings: Settings, metrics: RelayMetrics) -> AsyncIterator[Relay]:
    """A relay at work beside the server, until the end of the block. Raises StartupError."""
    relay = make_relay(url, settings, metrics)
    async with relay.running():
        yield relay


async def run_relay(settings: Settings) -> None:
    """Relay events until SIGTERM or SIGINT, without serving. Raises StartupError."""
    configure_logging(settings.effective_log_level, json=settings.json_logs)
    async with AsyncExitStack() as stack:
        with said_plainly():
            url = await database_url(settings, stack)
            relay = make_relay(url, settings)
            if settings.migrates_on_start:
                await migrate(url)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, relay.stop)
        await relay.run()
