"""`python -m bench`: measure Mainstay beside the baselines in one run. README.md says how to read the result."""

import argparse
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.load import LoadFailed, wrk
from bench.measure import Plan, measure
from bench.report import Results, tables, targets
from bench.scenarios import SCENARIOS
from bench.subjects import SUBJECTS

_KEPT = Path(__file__).with_name("results.md")
_NAMES = [named.name for named in (*SUBJECTS, *SCENARIOS)]


def main() -> int:
    """Measure, print, keep. Returns 0 where every run has figures and every target is reached."""
    options = _options()
    try:
        wrk()
    except LoadFailed as error:
        sys.exit(str(error))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # like Ctrl-C, leaves the blocks that stop servers
    plan = _plan(options)
    try:
        results, about = measure(plan)
    except KeyboardInterrupt:
        sys.exit("stopped")
    verdict, reached = targets(results, plan.scenarios)
    text = f"{tables(results, plan.subjects, plan.scenarios)}\n{verdict}"
    print(f"\n{text}")
    if results.complete and not (options.quick or options.only):
        _keep(text, results, about | {"run": f"{plan.rounds} rounds of {plan.seconds} s"})
    return 0 if results.complete and reached else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Mainstay beside the baselines.")
    parser.add_argument("--rounds", type=int, default=5, help="turns for everyone (%(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="that each measurement takes (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 second; keeps nothing")
    parser.add_argument(
        "--only", nargs="+", default=[], choices=_NAMES, metavar="NAME", help=f"of {', '.join(_NAMES)}; keeps nothing"
    )
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    rounds, seconds = (2, 1) if options.quick else (options.rounds, options.seconds)
    return Plan(
        subjects=[subject for subject in SUBJECTS if subject.name in options.only] or SUBJECTS,
        scenarios=[scenario for scenario in SCENARIOS if scenario.name in options.only] or SCENARIOS,
        rounds=rounds,
        seconds=seconds,
        warm_up=min(seconds, 2),
    )


def _keep(text: str, results: Results, about: Mapping[str, str]) -> None:
    """Write results.md for people and results.json, with every single run, for programs."""
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **about}
    lines = "".join(f"- {name}: {value}\n" for name, value in about.items())
    _KEPT.write_text(f"# Results\n\nMade by `make bench`; README.md says how to read them.\n\n{lines}\n{text}")
    runs = [asdict(run) for run in results.runs]
    _KEPT.with_suffix(".json").write_text(json.dumps({"about": about, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
