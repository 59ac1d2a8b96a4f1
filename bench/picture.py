"""The picture of the README: requests a second as bars. Plain SVG, readable on light and on dark pages. Pure."""

from collections.abc import Iterator, Sequence

from bench.report import Results
from bench.scenarios import Scenario
from bench.subjects import Subject

_ROWS = {"order": "Read one order", "orders": "List 50 orders", "create": "Make an order, with key and event"}
_NAMES = {
    "ceiling": "Starlette + asyncpg, nothing else",
    "mainstay": "Mainstay, everything on",
    "template": "FastAPI template (ORM)",
    "litestar": "Litestar (ORM)",
    "django": "Django REST framework",
}
_LABELS, _BARS, _WIDTH = 250, 430, 760
_LINE, _HEAD, _GAP = 22, 26, 14

# Colours by what the page is; where it does not say, those of light ones.
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 }
.value { font-size: 12px; fill: #59636e }
.other { fill: #9aa7b4 }
.mainstay { fill: #1a7f5a }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.value { fill: #9aa4af }
.other { fill: #57606a }
.mainstay { fill: #3fb984 }
}
"""


def picture(results: Results, subjects: Sequence[Subject], scenarios: Sequence[Scenario]) -> str:
    """One group of bars for each of a few scenarios, as far as they have figures."""
    drawn: list[str] = []
    top = 4
    for scenario in scenarios:
        rates = dict(_rates(results, subjects, scenario.name)) if scenario.name in _ROWS else {}
        if rates:
            drawn.append(f'<text class="head" x="0" y="{top + 16}">{_ROWS[scenario.name]}, requests a second</text>')
            drawn += _bars(rates, top + _HEAD)
            top += _HEAD + _LINE * len(rates) + _GAP
    described = "Requests a second of Mainstay and of others, one process on one core; the figures are in results.md."
    size = f'viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
        f"<title>{described}</title><style>{_STYLE}</style>\n" + "\n".join(drawn) + "\n</svg>\n"
    )


def _rates(results: Results, subjects: Sequence[Subject], scenario: str) -> Iterator[tuple[str, float]]:
    for subject in subjects:
        rate = results.spread(subject.name, scenario, lambda load: load.rate) if subject.name in _NAMES else None
        if rate is not None:
            yield subject.name, rate.median


def _bars(rates: dict[str, float], top: int) -> Iterator[str]:
    most = max(rates.values())
    for number, (name, rate) in enumerate(rates.items()):
        y, width = top + _LINE * number, round(rate / most * _BARS)
        kind = "mainstay" if name == "mainstay" else "other"
        yield f'<text x="0" y="{y + 14}">{_NAMES[name]}</text>'
        yield f'<rect class="{kind}" x="{_LABELS}" y="{y + 2}" width="{width}" height="16" rx="2"/>'
        yield f'<text class="value" x="{_LABELS + width + 8}" y="{y + 14}">{rate:,.0f}</text>'
