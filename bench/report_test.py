import pytest

from bench.load import Load
from bench.measure import Plan
from bench.report import Results, Run, Spread, tables, targets
from bench.scenarios import Scenario
from bench.subjects import Subject

GET = Scenario("get", "GET one pet", targets={"ceiling": 0.5, "template": 2.0})
SUBJECTS = [Subject(name, name.title(), ()) for name in ("ceiling", "mainstay", "template")]


def run(round_: int, subject: str, rate: float) -> Run:
    return Run(round_, subject, "get", Load(requests=int(rate * 10), seconds=10, p50_ms=1, p99_ms=2, cpu_us=100))


def failed(round_: int, subject: str, reason: str = "5 of kind status") -> Run:
    return Run(round_, subject, "get", failure=reason)


def rates(results: Results, subject: str) -> Spread | None:
    return results.spread(subject, "get", lambda load: load.rate)


def test_the_median_stands_for_the_rounds() -> None:
    results = Results([run(round_, "ceiling", rate) for round_, rate in enumerate((300, 100, 200, 900))])
    assert rates(results, "ceiling") == Spread(250, 100, 900)


def test_ratios_are_taken_round_by_round() -> None:
    slow_machine = [run(0, "ceiling", 1000), run(0, "mainstay", 600)]
    fast_machine = [run(1, "ceiling", 4000), run(1, "mainstay", 2400)]
    assert Results(slow_machine + fast_machine).ratio("mainstay", "ceiling", "get") == Spread(0.6, 0.6, 0.6)


def test_a_round_that_only_one_of_them_has_is_no_ratio() -> None:
    results = Results([run(0, "mainstay", 600), run(1, "ceiling", 1000)])
    assert results.ratio("mainstay", "ceiling", "get") is None


def test_one_failed_round_leaves_no_figure() -> None:
    results = Results([run(0, "ceiling", 1000), run(0, "mainstay", 9000), failed(1, "mainstay")])
    assert rates(results, "mainstay") is None
    assert results.ratio("mainstay", "ceiling", "get") is None
    assert results.ratio("ceiling", "mainstay", "get") is None
    assert not results.complete


def test_a_failed_row_says_why_and_shows_no_number() -> None:
    results = Results(
        [run(0, "ceiling", 1000), run(0, "mainstay", 9000), failed(1, "mainstay", "does not serve:\nlog")]
    )
    (row,) = [line for line in tables(results, SUBJECTS, [GET]).splitlines() if line.startswith("| Mainstay")]
    assert row.startswith("| Mainstay | failed: does not serve: |")
    assert "9,000" not in row


def test_what_was_not_measured_says_so() -> None:
    assert "| Template | failed: not measured |" in tables(Results([run(0, "ceiling", 1000)]), SUBJECTS, [GET])


def test_every_row_has_as_many_cells_as_the_heading() -> None:
    results = Results([run(0, "ceiling", 1000), failed(0, "mainstay")])
    assert {line.count("|") for line in tables(results, SUBJECTS, [GET]).splitlines() if line} == {9}


@pytest.mark.parametrize(("rate", "reached"), [(600, True), (500, True), (499, False), (100, False)])
def test_targets_are_held_against_the_median_ratio(rate: float, *, reached: bool) -> None:
    results = Results([run(0, "ceiling", 1000), run(0, "mainstay", rate), run(0, "template", 200)])
    against_ceiling, against_template = targets(results, [GET])
    assert against_ceiling.reached is reached
    assert against_template.reached is (rate >= 400)


def test_a_target_whose_base_failed_is_not_told_as_reached() -> None:
    assert targets(Results([failed(0, "ceiling"), run(0, "mainstay", 600)]), [GET]) == []


def test_a_subject_stands_in_the_tables_of_what_it_answers() -> None:
    few = Subject("few", "Few", (), scenarios={"other"})
    assert "Few" not in tables(Results([run(0, "ceiling", 1000)]), [*SUBJECTS, few], [GET])


def test_a_time_that_nobody_measured_is_no_number() -> None:
    bare = Run(0, "ceiling", "get", Load(requests=10, seconds=1, p50_ms=1, p99_ms=2))
    assert "| 2.0 | - |" in tables(Results([bare]), SUBJECTS, [GET])


def test_everyone_runs_first_once() -> None:
    plan = Plan(subjects=SUBJECTS, scenarios=[GET], rounds=3, seconds=1, warm_up=1)
    orders = [[subject.name for subject in plan.order(round_)] for round_ in range(3)]
    assert [order[0] for order in orders] == ["ceiling", "mainstay", "template"]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
