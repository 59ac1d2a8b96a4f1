import pytest

from mainstay.cli.scaffold.fields import NAME_MAX, TYPES, FieldError, parse


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("optional", [False, True])
def test_a_field_is_a_name_and_a_type(kind: str, optional: bool) -> None:
    (field,) = parse([f"due_2:{kind}{'?' * optional}"])
    assert (field.name, field.kind, field.optional) == ("due_2", kind, optional)
    assert str(field) == f"due_2:{kind}{'?' * optional}"


def test_fields_stay_in_their_order() -> None:
    assert [field.name for field in parse(["b:str", "a:int", "c:bool?"])] == ["b", "a", "c"]


@pytest.mark.parametrize(
    "spelling",
    ["", ":", "number", "number:", ":str", "number:str:int", "number:str??", "number:?", "number str", "number=str"],
)
def test_what_is_spelled_otherwise_is_none(spelling: str) -> None:
    with pytest.raises(FieldError):
        parse([spelling])


@pytest.mark.parametrize(
    "name",
    [
        *("Number", "numbeR", "_number", "number_", "num__ber", "1st", "nümber", "num-ber", "num ber", "number\n"),
        "x" * (NAME_MAX + 1),
    ],
)
def test_a_name_is_small_letters_digits_and_underscores_between(name: str) -> None:
    with pytest.raises(FieldError):
        parse([f"{name}:str"])


def test_the_longest_name_is_taken() -> None:
    assert parse([f"{'x' * NAME_MAX}:str"])


@pytest.mark.parametrize("name", ["id", "version", "created_at", "updated_at", "tenant_id"])
def test_what_every_service_has_is_not_given_again(name: str) -> None:
    with pytest.raises(FieldError, match="every service has it"):
        parse([f"{name}:str"])


@pytest.mark.parametrize(
    "name",
    [
        *("class", "lambda", "for", "type", "list", "hash", "print"),  # Python's
        *("change", "create", "told", "removed"),  # an entity's
        *("copy", "json", "schema", "model_fields", "validate"),  # a body's
        *("metadata", "registry"),  # a row's
        *("date", "datetime", "text", "decimal", "uuid"),  # the types'
    ],
)
def test_what_would_hide_something_is_refused(name: str) -> None:
    with pytest.raises(FieldError, match="means something"):
        parse([f"{name}:str"])


@pytest.mark.parametrize("kind", ["string", "Str", "integer", "float", "json", "datetime ", " str", "list"])
def test_an_unknown_type_is_answered_with_those_that_there_are(kind: str) -> None:
    with pytest.raises(FieldError, match="str, text, int, bool, date, datetime, decimal, uuid"):
        parse([f"number:{kind}"])


@pytest.mark.parametrize("spellings", [["a:str", "a:str"], ["a:str", "b:int", "a:int?"]])
def test_a_field_is_there_once(spellings: list[str]) -> None:
    with pytest.raises(FieldError, match="a is there twice"):
        parse(spellings)


def test_a_service_without_a_field_is_none() -> None:
    with pytest.raises(FieldError, match="--field"):
        parse([])


@pytest.mark.parametrize("optional", ["", "?"])
def test_a_text_can_be_there_once(optional: str) -> None:
    assert parse([f"a:str{optional}", "b:int"], "a")


@pytest.mark.parametrize("unique", ["b", "c", "", "A"])
def test_nothing_else_can(unique: str) -> None:
    with pytest.raises(FieldError, match="--unique"):
        parse(["a:str", "b:int"], unique)
