from collections.abc import Awaitable, Callable

import pytest

from mainstay.kernel.core.events import Event, EventBus, Listener


class Tasks:
    """What Starlette's BackgroundTasks does, without the answer."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[[Listener, Event], Awaitable[None]], Listener, Event]] = []

    def add_task(self, func: Callable[[Listener, Event], Awaitable[None]], listener: Listener, event: Event) -> None:
        self.calls.append((func, listener, event))

    async def run(self) -> None:
        for func, listener, event in self.calls:
            await func(listener, event)


class CupBroken(Event):
    type = "cup.broken"


def broken(cup: str) -> Event:
    return CupBroken(aggregate_id=cup, aggregate_version=1, data={})


async def test_every_listener_gets_every_event_in_order() -> None:
    bus, tasks = EventBus(), Tasks()
    first: list[str] = []
    second: list[str] = []

    async def listen(event: Event) -> None:
        first.append(event.aggregate_id)

    async def listen_too(event: Event) -> None:
        second.append(event.aggregate_id)

    bus.subscribe(listen)
    bus.subscribe(listen_too)
    bus.publish(broken("1"), tasks)
    bus.publish(broken("2"), tasks)
    assert first == []  # not before the answer has been sent
    await tasks.run()
    assert first == second == ["1", "2"]


async def test_a_listener_gets_the_kind_of_events_that_it_asked_for() -> None:
    class SpoonBent(Event):
        type = "spoon.bent"

    bus, tasks = EventBus(), Tasks()
    heard: list[Event] = []

    async def listen(event: Event) -> None:
        heard.append(event)

    bus.subscribe(listen, CupBroken)
    bus.publish(SpoonBent(aggregate_id="1", aggregate_version=1, data={}), tasks)
    assert tasks.calls == []
    bus.publish(broken("1"), tasks)
    await tasks.run()
    assert [event.type for event in heard] == ["cup.broken"]


async def test_a_listener_that_fails_is_logged_and_keeps_nobody_from_listening(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus, tasks = EventBus(), Tasks()
    heard: list[str] = []

    async def fail(_: Event) -> None:
        raise OSError

    async def listen(event: Event) -> None:
        heard.append(event.aggregate_id)

    bus.subscribe(fail)
    bus.subscribe(listen)
    bus.publish(broken("1"), tasks)
    await tasks.run()
    assert heard == ["1"]
    assert [(record.getMessage(), bool(record.exc_info)) for record in caplog.records] == [
        ("a listener failed on cup.broken", True)
    ]


def test_nothing_is_left_to_do_where_nobody_listens() -> None:
    tasks = Tasks()
    EventBus().publish(broken("1"), tasks)
    assert tasks.calls == []


class CupEvent(Event):
    pass


class CupFilledAgain(CupEvent):
    pass


class HandleGone(CupEvent):
    type = "cup.handle_gone"


@pytest.mark.parametrize(
    ("kind", "type_"),
    [(CupBroken, "cup.broken"), (CupFilledAgain, "cup.filled_again"), (HandleGone, "cup.handle_gone")],
)
def test_an_event_is_called_as_its_class_unless_that_says_otherwise(kind: type[Event], type_: str) -> None:
    assert (kind.type, kind.aggregate_type) == (type_, "cup")


@pytest.mark.parametrize("kind", [Event, CupEvent])
def test_what_events_are_made_of_is_none(kind: type[Event]) -> None:
    assert not hasattr(kind, "type")
    assert not hasattr(kind, "aggregate_type")


def test_events_know_when_they_happened_and_are_told_apart() -> None:
    one, other = broken("1"), broken("1")
    assert one.id != other.id
    assert one.occurred_at.utcoffset() is not None
    assert one.tenant == ""
