"""Sends hostile inputs to the served program, and holds every answer to what is promised of all of them."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.hostile.calls import World
from tests.hostile.inputs import Input
from tests.hostile.kinds import MARK
from tests.integration.kernel.http.conftest import Answer, Server

MAY_CLOSE = {400, 408, 413, 431}
"""After what is no HTTP, and after bodies that may still be on their way, the connection is closed, and said to be."""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


@dataclass
class Figures:
    """What was tried, and what came of it."""

    statuses: Counter[int] = field(default_factory=Counter)
    dropped: int = 0
    findings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        failed = sum(count for status, count in self.statuses.items() if status >= 500)
        return f"{self.statuses.total()} inputs, {failed} answered with 5xx, {self.dropped} connections dropped"


class Battery:
    """One connection after the other, each as long as it is kept."""

    def __init__(self, server: Server, world: World) -> None:
        self._server = server
        self._world = world
        self._caller = server.call()
        self._marks = 0
        tables = server.session.rows(TABLES)
        counted = (f"(SELECT row(count(*), sum(hashtext(t::text)::bigint))::text FROM {name} t)" for (name,) in tables)
        self._written = f"SELECT {', '.join(counted)}"

    def fire(self, inputs: Iterable[Input]) -> Figures:
        """Send each of them."""
        figures = Figures()
        self._call_again()  # the last connection may have been idle for too long
        for each in inputs:
            self._marks += 1
            try:
                self._try(each, figures)
            except AssertionError as error:
                figures.findings.append(f"{each}: {str(error).splitlines()[0][:300]}")
        return figures

    def close(self) -> None:
        """Hang up."""
        self._caller.__exit__()

    def _try(self, each: Input, figures: Figures) -> None:
        mark = MARK.format(self._marks)
        call = self._world.call(each.operation)
        before = self._snapshot()
        answer = self._send(each.change(call, mark).bytes(), figures)
        figures.statuses[answer.status] += 1
        if answer.status < 400:
            self._world.used(each.operation)
            _check_kept(answer, each, mark)
        else:
            assert self._snapshot() == before, f"{answer.status}, and something is written"
            _check_refusal(answer, mark)
        _check_documented(answer, each)

    def _snapshot(self) -> object:
        return self._server.session.row(self._written)

    def _send(self, sent: bytes, figures: Figures) -> Answer:
        """The answer; the connection is usable afterwards, or said to be closed."""
        try:
            self._caller.send(sent)
            answer = self._caller.answer()
            closes = answer.headers["connection"] == "close"
            assert not closes or answer.status in MAY_CLOSE, f"{answer.status} closes the connection"
            assert self._caller.is_closed() if closes else self._caller.lives(), f"unusable after {answer.status}"
        except (AssertionError, OSError) as error:
            figures.dropped += 1
            self._call_again()
            raise AssertionError(f"dropped: {error}") from error
        if closes:
            self._call_again()
        return answer

    def _call_again(self) -> None:
        self._caller.__exit__()
        self._caller = self._server.call()


def _check_refusal(answer: Answer, mark: str) -> None:
    assert answer.status < 500, answer.body
    assert answer.error["message"]
    assert mark not in answer.body.decode() + str(answer.headers), f"{answer.status} echoes the input"


def _check_documented(answer: Answer, each: Input) -> None:
    assert each.expected is None or answer.status in each.expected, f"{answer.status} {answer.body[:200]!r}"
    if answer.status == 431:  # no operation's answer: there is no request yet
        assert each.kind in {"very long", "long"}, "431 of a short head"
        return
    documented = each.operation.media_types(answer.status)
    assert documented is not None, f"{answer.status} is not documented: {answer.body[:200]!r}"
    media_type = answer.headers["content-type"]
    assert (media_type and media_type.partition(";")[0]) in documented, f"{answer.status} as {media_type}"


def _check_kept(answer: Answer, each: Input, mark: str) -> None:
    if each.text is None or not answer.body.startswith(b"{"):
        return
    kept = json.loads(answer.body).get(each.name)
    assert kept is None or kept == each.text(mark), f"kept as {kept!r}"
