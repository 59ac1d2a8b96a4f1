from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from mainstay.kernel.http.parameters import StrictModel
from mainstay.kernel.http.schemas import Line, LongText, Partial, TenantVersioned, Versioned, page_of


class CupIn(StrictModel):
    """A cup."""

    colour: Line
    note: LongText | None = None
    size: int = 2


class CupPatch(Partial, CupIn):
    """Some fields of a cup."""


class CupOut(CupIn, Versioned):
    """A cup."""


class GuestCupOut(CupIn, TenantVersioned):
    """A guest's cup."""


@pytest.mark.parametrize(
    "sent", [{}, {"note": None}, {"colour": "red"}, {"size": 2}, {"size": 3, "note": "x", "colour": "red"}]
)
def test_a_part_has_what_was_sent_and_nothing_else(sent: dict[str, Any]) -> None:
    assert dict(CupPatch.model_validate(sent)) == sent


@pytest.mark.parametrize(
    "sent", [{"colour": None}, {"colour": ""}, {"size": "2"}, {"unknown": 1}, {"version": 1}, [], None]
)
def test_a_part_is_as_strict_as_the_whole(sent: Any) -> None:
    with pytest.raises(ValidationError):
        CupPatch.model_validate(sent)


def test_the_whole_still_needs_its_fields_and_has_its_defaults() -> None:
    assert dict(CupIn.model_validate({"colour": "red"})) == {"colour": "red", "note": None, "size": 2}
    with pytest.raises(ValidationError):
        CupIn.model_validate({})


def test_no_field_of_a_part_is_required_and_none_has_a_default() -> None:
    schema = CupPatch.model_json_schema()
    assert "required" not in schema
    assert [name for name, field in schema["properties"].items() if "default" in field] == []
    assert schema["additionalProperties"] is False
    assert CupIn.model_json_schema()["required"] == ["colour"]


@pytest.mark.parametrize(("model", "more"), [(CupOut, set()), (GuestCupOut, {"tenant_id"})])
def test_every_field_of_an_answer_is_there_and_others_may_come(model: type[Versioned], more: set[str]) -> None:
    schema = model.model_json_schema(mode="serialization")
    expected = {"id", "version", "created_at", "updated_at", "colour", "note", "size"} | more
    assert set(schema["required"]) == set(schema["properties"]) == expected
    assert "additionalProperties" not in schema


def test_a_page_has_items_and_where_the_next_begins() -> None:
    schema = page_of(CupOut).model_json_schema()
    assert (schema["title"], bool(schema["description"])) == ("CupPage", True)
    assert schema["required"] == ["items", "nextCursor"]
    assert (schema["properties"]["items"]["items"], schema["properties"]["items"]["maxItems"]) == (
        {"$ref": "#/$defs/CupOut"},
        100,
    )


@pytest.mark.parametrize(("kind", "longest"), [(Line, 200), (LongText, 10_000)])
def test_texts_have_an_end(kind: Any, longest: int) -> None:
    texts = TypeAdapter[str](kind)
    assert texts.validate_python("x" * longest)
    with pytest.raises(ValidationError):
        texts.validate_python("x" * (longest + 1))


def test_a_line_is_not_empty_and_a_long_text_may_be() -> None:
    assert TypeAdapter[str](LongText).validate_python("") == ""
    with pytest.raises(ValidationError):
        TypeAdapter[str](Line).validate_python("")
