import pytest

from mainstay.kernel.db.relay import backoff


@pytest.mark.parametrize(("attempts", "longest"), [(1, 2), (2, 4), (3, 8), (11, 2048), (12, 3600), (10_000, 3600)])
def test_a_refused_message_waits_anything_up_to_a_bound_that_doubles(attempts: int, longest: float) -> None:
    waits = [backoff.refused(attempts) for _ in range(200)]
    assert 0 <= min(waits) < longest / 4
    assert longest * 3 / 4 < max(waits) <= longest


@pytest.mark.parametrize(("failures", "longest"), [(1, 0.5), (2, 1), (6, 16), (7, 30), (10_000, 30)])
def test_a_sink_that_is_away_is_left_alone_longer_and_longer(failures: int, longest: float) -> None:
    waits = [backoff.away(failures) for _ in range(200)]
    assert longest / 2 <= min(waits)
    assert longest * 3 / 4 < max(waits) <= longest


@pytest.mark.parametrize(("asked", "waits"), [(0.0, 0.5), (7.5, 7.5), (3600.0, 3600), (1e12, 3600), (-1.0, 0.5)])
def test_what_a_sink_asks_for_is_kept_to_within_reason(asked: float, waits: float) -> None:
    assert backoff.away(5, asked) == waits
