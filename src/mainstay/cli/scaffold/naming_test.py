import pytest

from mainstay.cli.scaffold.naming import NAME_MAX, NamingError, names, singular_of


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        *(("invoices", "invoice"), ("rooms", "room"), ("houses", "house"), ("days", "day"), ("ties", "tie")),
        *(("companies", "company"), ("deliveries", "delivery")),
        *(("addresses", "address"), ("boxes", "box"), ("batches", "batch"), ("dishes", "dish"), ("waltzes", "waltz")),
    ],
)
def test_one_of_them_is_found_by_simple_rules(plural: str, singular: str) -> None:
    assert singular_of(plural) == singular


@pytest.mark.parametrize("plural", ["people", "mice", "status", "address", "data", "", "invoice"])
def test_what_the_rules_do_not_know_is_asked_for(plural: str) -> None:
    with pytest.raises(NamingError, match="--singular"):
        names(plural)


def test_what_is_said_goes_before_the_rules() -> None:
    assert names("people", "person").singular == "person"
    assert names("statuses", "status").singular == "status"


@pytest.mark.parametrize(
    ("singular", "told"),
    [
        *(("invoice", "an invoice"), ("order", "an order"), ("room", "a room"), ("umbrella", "an umbrella")),
        *(("unit", "a unit"), ("university", "a university"), ("euro", "a euro"), ("yard", "a yard")),
    ],
)
def test_the_article_goes_by_the_sound(singular: str, told: str) -> None:
    assert names("things", singular).a_singular == told


@pytest.mark.parametrize(
    "plural",
    [
        *("Invoices", "INVOICES", "invoice_lines", "invoice-lines", "in voices", "1nvoices", "rechnungén", "a.bs"),
        *("invoices ", "invoices\n", "../pets", "x" * NAME_MAX + "s"),
    ],
)
def test_a_name_is_a_word_of_small_letters(plural: str) -> None:
    with pytest.raises(NamingError):
        names(plural, "invoice")


@pytest.mark.parametrize("singular", ["Invoice", "in_voice", "", "i", "x" * (NAME_MAX + 1), "./x"])
def test_so_is_what_one_of_them_is_called(singular: str) -> None:
    if singular:
        with pytest.raises(NamingError):
            names("invoices", singular)
    else:
        assert names("invoices", singular).singular == "invoice"


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        *(("classes", "class"), ("matches", "match"), ("lists", "list"), ("types", "type"), ("imports", "import")),
        *(("vars", "var"), ("events", "event"), ("metrics", "metric"), ("docs", "doc"), ("applications", None)),
        *(("sheep", "sheep"), ("tables", "table"), ("sessions", "session")),
    ],
)
def test_a_word_that_means_something_already_is_refused(plural: str, singular: str | None) -> None:
    with pytest.raises(NamingError, match=r"\w+"):
        names(plural, singular)
