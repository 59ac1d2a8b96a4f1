import json

import pytest

from bench.load import Load, LoadFailed, read

_FIGURES = {"requests": 1000, "seconds": 2.0, "p50_ms": 1.5, "p99_ms": 9.0}
_NO_ERRORS = {"connect": 0, "read": 0, "write": 0, "timeout": 0, "status": 0}


def output(errors: dict[str, int] | None = None, **figures: float) -> str:
    last = json.dumps({**_FIGURES, **figures, "errors": {**_NO_ERRORS, **(errors or {})}})
    return f"Running 2s test @ http://127.0.0.1:1\n  1000 requests in 2.00s, 1.00MB read\n{last}\n"


def test_the_last_line_has_the_figures() -> None:
    load = read(output())
    assert (load.requests, load.rate, load.p50_ms, load.p99_ms) == (1000, 500, 1.5, 9.0)


@pytest.mark.parametrize("kind", ["connect", "read", "write", "timeout", "status"])
def test_one_error_of_any_kind_makes_the_load_a_failure(kind: str) -> None:
    with pytest.raises(LoadFailed, match=f"1 of kind {kind}"):
        read(output({kind: 1}))


def test_no_answer_is_a_failure() -> None:
    with pytest.raises(LoadFailed, match="no answer"):
        read(output(requests=0))


@pytest.mark.parametrize(
    "text", ["", "unable to connect to 127.0.0.1:1", "17", "[]", '{"requests": 1}', '{"errors": {}}']
)
def test_an_end_without_figures_is_a_failure(text: str) -> None:
    with pytest.raises(LoadFailed, match="without figures"):
        read(text)


def test_successes_that_left_no_event_are_a_failure() -> None:
    load = Load(requests=10, seconds=1, p50_ms=1, p99_ms=1)
    load.check_written(10)
    load.check_written(26)  # the connections' last requests, cut off before they were counted
    with pytest.raises(LoadFailed, match="10 successes, but 9 events"):
        load.check_written(9)
