import time
from uuid import UUID, uuid4

import pytest

from mainstay.kernel.core import clock
from mainstay.kernel.core.ids import random_uuid, uuid7


def test_is_a_uuid_of_version_7_of_now() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert made.version == 7
    assert made.variant == uuid4().variant
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_sorts_by_the_time_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [0, 245, 999_999, 1_000_000, 1_763_700_000_000_000_000, 1_763_700_000_000_500_000, 2**63 - 1]
    made = [made_at(monkeypatch, nanoseconds) for nanoseconds in times]
    assert made == sorted(made)
    assert [each.version for each in made] == [7] * len(made)


def test_ids_of_one_moment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({made_at(monkeypatch, 1_763_700_000_000_000_000) for _ in range(1000)}) == 1000


def made_at(monkeypatch: pytest.MonkeyPatch, nanoseconds: int) -> UUID:
    monkeypatch.setattr(time, "time_ns", lambda: nanoseconds)
    return uuid7()


def test_now_is_aware_and_in_utc() -> None:
    offset = clock.now().utcoffset()
    assert offset is not None
    assert not offset


def test_a_random_one_is_of_version_4_in_its_usual_spelling() -> None:
    for made in (random_uuid() for _ in range(100)):
        read = UUID(made)
        assert (read.version, read.variant, str(read)) == (4, uuid4().variant, made)


def test_random_ones_differ_in_every_place_that_is_free() -> None:
    made = [random_uuid() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert [len({each[place] for each in made}) for place in range(36)] == [
        {8: 1, 13: 1, 14: 1, 18: 1, 19: 4, 23: 1}.get(place, 16) for place in range(36)
    ]
