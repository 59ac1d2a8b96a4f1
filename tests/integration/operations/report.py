"""What the doctor found, as the tests read it."""

from typing import Any

Report = dict[str, list[dict[str, Any]]]
"""By check."""


def states(checks: Report) -> dict[str, set[str]]:
    """Of the checks that are not all right."""
    return {
        name: {found["state"] for found in findings if found["state"] != "ok"}
        for name, findings in checks.items()
        if any(found["state"] != "ok" for found in findings)
    }


def trouble(checks: Report, check: str, state: str = "failed") -> str:
    """What is said of the one thing that is wrong, with what to do; nothing else may be wrong."""
    assert states(checks) == {check: {state}}, checks
    (found,) = [found for found in checks[check] if found["state"] == state]
    return f"{found['found']} -> {found['advice']}"
