"""What the tests of metrics share: reading them as Prometheus does."""

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        samples = [sample for family in families for sample in family.samples]
        self.values = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
        assert len(self.values) == len(samples), "a series stands there twice"
        self.help = {family.name: family.documentation for family in families}

    def value(self, name: str, **labels: str) -> float | None:
        """One sample's; None where there is none."""
        return self.values.get((name, frozenset(labels.items())))

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples that have these labels, among others."""
        wanted = labels.items()
        return sum(value for (found, has), value in self.values.items() if found == name and wanted <= has)


@pytest.fixture
def scraped() -> Callable[[str], Scraped]:
    """Reads the text of a scrape."""
    return Scraped
