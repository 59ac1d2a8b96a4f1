"""`python -m bench`: measure Mainstay beside others, and all else that is promised. README.md says how to read it."""

import argparse
import os
import signal
import sys
from datetime import UTC, datetime

from bench.finding import Finding, exit_code, table
from bench.kept import Kept
from bench.load import LoadFailed, wrk
from bench.measure import Plan, measure
from bench.parts import PARTS
from bench.report import tables, targets
from bench.scenarios import SCENARIOS
from bench.subjects import OTHERS_PYTHON, SUBJECTS

_THROUGHPUT = "throughput"
_LONG = "growth"
"""Is left out unless it is asked for."""
_NAMES = [named.name for named in (*SUBJECTS, *SCENARIOS)]


def main() -> int:
    """Measure, print, keep. Returns 0 where every run has figures and every target is reached."""
    options = _options()
    try:
        wrk()
    except LoadFailed as error:
        sys.exit(str(error))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # like Ctrl-C, leaves the blocks that stop servers
    kept = Kept.read()
    failed = False
    try:
        for part in _parts(options):
            failed |= _throughput(options, kept) if part == _THROUGHPUT else _part(part, options, kept)
            if not (options.quick or options.only):
                kept.write()
    except KeyboardInterrupt:
        sys.exit("stopped")
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Mainstay beside others.")
    parser.add_argument(
        "parts",
        nargs="*",
        choices=[_THROUGHPUT, *PARTS],
        metavar="PART",
        help=f"of {_THROUGHPUT}, {', '.join(PARTS)}; all but {_LONG} where none is named",
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns for everyone (%(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="that each measurement takes (%(default)s)")
    parser.add_argument("--long", action="store_true", help=f"a million requests, ten million orders; {_LONG} too")
    parser.add_argument("--quick", action="store_true", help=f"{_THROUGHPUT}, 2 rounds of 1 second; keeps nothing")
    parser.add_argument(
        "--only", nargs="+", default=[], choices=_NAMES, metavar="NAME", help=f"of {', '.join(_NAMES)}; keeps nothing"
    )
    return parser.parse_args()


def _parts(options: argparse.Namespace) -> list[str]:
    if options.parts or options.quick or options.only:
        return options.parts or [_THROUGHPUT]
    return [_THROUGHPUT, *(name for name in PARTS if options.long or name != _LONG)]


def _throughput(options: argparse.Namespace, kept: Kept) -> bool:
    """Whether any run failed, or any target is missed."""
    plan = _plan(options)
    if any(subject.python == OTHERS_PYTHON for subject in plan.subjects) and not OTHERS_PYTHON.exists():
        sys.exit("The other frameworks are missing: bench/environment installs them, `make bench` runs it")
    results, about = measure(plan)
    found = targets(results, plan.scenarios)
    print(f"\n{tables(results, plan.subjects, plan.scenarios)}\n{table(found)}")
    if results.complete:
        kept.about = {"when": _now(), **about, "run": f"{plan.rounds} rounds of {plan.seconds} s"}
        kept.runs = results.runs
    return bool(exit_code(found)) or not results.complete


def _part(name: str, options: argparse.Namespace, kept: Kept) -> bool:
    """The same of another part."""
    told = f"{_now()}, load average before {os.getloadavg()[0]:.1f}"
    print(f"{name} …", file=sys.stderr, flush=True)
    found: list[Finding] = PARTS[name](long=options.long)
    print(f"\n{table(found)}")
    kept.parts = {**kept.parts, name: (told, found)}
    return bool(exit_code(found))


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _plan(options: argparse.Namespace) -> Plan:
    rounds, seconds = (2, 1) if options.quick else (options.rounds, options.seconds)
    return Plan(
        subjects=[subject for subject in SUBJECTS if subject.name in options.only] or SUBJECTS,
        scenarios=[scenario for scenario in SCENARIOS if scenario.name in options.only] or SCENARIOS,
        rounds=rounds,
        seconds=seconds,
        warm_up=max(1, min(seconds // 2, 2)),
    )


if __name__ == "__main__":
    sys.exit(main())
