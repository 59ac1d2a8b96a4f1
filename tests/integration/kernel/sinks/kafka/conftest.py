"""A Kafka cluster: the one that librdkafka brings for its own tests. It speaks the protocol over real connections."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

_PRODUCE = 0  # the kind of request, as the protocol numbers it


def library() -> Any:
    """librdkafka: Python's client does not pass on what stops and starts brokers of the cluster."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    found = next(folder.glob("librdkafka-*.so*"), None)
    if sys.platform != "linux" or found is None:
        pytest.skip("looks for librdkafka where its wheel for Linux has it")
    loaded = ctypes.CDLL(str(found))
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("rd_kafka_conf_new", pointer, []),
        ("rd_kafka_new", pointer, [ctypes.c_int, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, ctypes.c_int]),
        ("rd_kafka_mock_cluster_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_broker_set_down", ctypes.c_int, [pointer, ctypes.c_int32]),
        ("rd_kafka_mock_broker_set_up", ctypes.c_int, [pointer, ctypes.c_int32]),
        ("rd_kafka_mock_broker_set_rtt", ctypes.c_int, [pointer, ctypes.c_int32, ctypes.c_int]),
        ("rd_kafka_mock_topic_create", ctypes.c_int, [pointer, text, ctypes.c_int, ctypes.c_int]),
        ("rd_kafka_mock_topic_set_error", None, [pointer, text, ctypes.c_int]),
        ("rd_kafka_mock_push_request_errors_array", None, [pointer, ctypes.c_int16, ctypes.c_size_t, pointer]),
        ("rd_kafka_mock_clear_request_errors", None, [pointer, ctypes.c_int16]),
    ):
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


class Cluster:
    """One broker with id 1."""

    def __init__(self) -> None:
        self._library = library()
        failure = ctypes.create_string_buffer(200)
        self._owner = self._library.rd_kafka_new(0, self._library.rd_kafka_conf_new(), failure, 200)
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._owner, 1)
        self.servers = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode().split(",")

    def kill(self) -> None:
        """Break every connection and take no new one."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, 1)

    def start(self) -> None:
        """Be there again, on the same port."""
        self._library.rd_kafka_mock_broker_set_up(self._cluster, 1)

    def delay(self, seconds: float) -> None:
        """Answer late."""
        self._library.rd_kafka_mock_broker_set_rtt(self._cluster, 1, int(seconds * 1000))

    def make_topic(self, name: str, partitions: int) -> None:
        """Make a topic."""
        self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)

    def fail_topic(self, name: str, code: int) -> None:
        """Answer with this error code wherever the topic is asked for; 0 ends it."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, name.encode(), code)

    def fail_produce(self, code: int, times: int = 1) -> None:
        """Answer so many requests to produce with this error code."""
        codes = (ctypes.c_int * times)(*[code] * times)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, _PRODUCE, times, codes)

    def stop_failing(self) -> None:
        """Forget the errors that were to come."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, _PRODUCE)

    def close(self) -> None:
        """Leave nothing running."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._owner)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster for this test alone: it is there in a millisecond."""
    cluster = Cluster()
    yield cluster
    cluster.close()
