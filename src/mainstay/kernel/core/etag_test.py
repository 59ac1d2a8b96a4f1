import time
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainstay.kernel.core.errors import InvalidHeader, PreconditionFailed
from mainstay.kernel.core.etag import ANY_VERSION, TagList, entity_tag

OPAQUE = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f').filter(str.isprintable)
)
PIECES = st.sampled_from(['"', "W/", "w/", "*", ",", " ", "\t", "0", "1", "01", "a", "\\", "é", "\n", "\0"])


@given(st.text(max_size=40))
@example('"')
@example("*,")
@example("\N{ARABIC-INDIC DIGIT ONE}")
def test_any_text_gives_tags_or_invalid_header(value: str) -> None:
    assert_tags_or_invalid_header(value)


@given(st.lists(PIECES, max_size=10))
def test_any_text_of_tag_characters_gives_tags_or_invalid_header(pieces: list[str]) -> None:
    assert_tags_or_invalid_header("".join(pieces))


def assert_tags_or_invalid_header(value: str) -> None:
    try:
        tags = TagList.parse(value)
    except InvalidHeader:
        return
    assert tags.anything or tags.tags


@given(st.lists(st.tuples(st.sampled_from(["", "W/"]), OPAQUE), min_size=1), st.sampled_from([",", ", ", " ,\t", ",,"]))
def test_reads_every_tag_of_a_list(tags: list[tuple[str, str]], between: str) -> None:
    header = between.join(f"{weak}{entity_tag(tag)}" for weak, tag in tags)
    assert TagList.parse(header).tags == {tag for _, tag in tags}


@given(st.integers(0, 2**63 - 1))
def test_a_version_is_found_again_under_its_own_tag(version: int) -> None:
    assert TagList.parse(entity_tag(version)) == TagList.parse(str(version))
    assert TagList.parse(entity_tag(version)).names(version)
    assert not TagList.parse(entity_tag(version)).names(version + 1)


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ('"3"', {"3"}),
        ('W/"3"', {"3"}),
        ("3", {"3"}),
        ("0", {"0"}),
        (' \t"3"\t ', {"3"}),
        ('"1", W/"2",3', {"1", "2", "3"}),
        (', "1",, "2" ,', {"1", "2"}),
        ('"a,b"', {"a,b"}),
        ('"W/"', {"W/"}),
        ('""', {""}),
        ('"*"', {"*"}),
        ('"001"', {"001"}),
    ],
)
def test_reads(value: str, tags: set[str]) -> None:
    assert TagList.parse(value) == TagList(tags=frozenset(tags))


@pytest.mark.parametrize("value", ["*", " * ", "\t*"])
def test_a_star_names_every_version(value: str) -> None:
    assert TagList.parse(value) == ANY_VERSION
    assert TagList.parse(value).names(7)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            ",",
            " , ,",
            "abc",
            '"abc',
            'abc"',
            '"',
            "'3'",
            '"3""4"',
            '"3" "4"',
            '"3"4',
            '"a"b"',
            '"a b"',
            '"a\0b"',
        ),
        *("01", "00", "+3", "-3", "3.0", "1e3", "0x3", "1_0", "3 4", 'w/"3"', "W/3", 'W /"3"', 'W/ "3"'),
        *("**", '*, "3"', '"3", *', "\N{ARABIC-INDIC DIGIT ONE}", '"\u0142"', '"\x7f"', '"3"\n', "3\n", '"3";q=1'),
    ],
)
def test_refuses(value: str) -> None:
    with pytest.raises(InvalidHeader):
        TagList.parse(value)


@pytest.mark.parametrize("value", ['"001"', '"01"', '"1.0"', '" 1"', '"W/1"', '"*"', '"a"'])
def test_a_foreign_tag_names_no_version(value: str) -> None:
    assert not any(TagList(tags=frozenset({value.strip('"')})).names(version) for version in (0, 1, 10))


def test_check_passes_the_version_that_is_named() -> None:
    TagList.parse('"2", "3"').check(3)
    ANY_VERSION.check(3)


@pytest.mark.parametrize("value", ['"2"', 'W/"4"', '"003"', '""'])
def test_check_of_another_version_tells_the_current_tag(value: str) -> None:
    with pytest.raises(PreconditionFailed) as raised:
        TagList.parse(value).check(3)
    assert raised.value.etag == '"3"'
    assert raised.value.details == {"current_etag": '"3"'}


@pytest.mark.parametrize(
    "value",
    ['"1",' + " " * 60_000 + "x", '"1"' + " " * 60_000 + "x", "," * 60_000, '"' + "a" * 60_000, '"1" ,' * 10_000],
    ids=["blanks before", "blanks after", "commas", "no end", "many"],
)
def test_reads_a_hostile_header_at_once(value: str) -> None:
    """An expression that gives blanks back takes half a minute for the first of these."""
    started = time.process_time()
    with suppress(InvalidHeader):
        TagList.parse(value)
    assert time.process_time() - started < 1
