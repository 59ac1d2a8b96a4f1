import pytest

from mainstay.kernel.core.errors import (
    Conflict,
    DomainError,
    InvalidHeader,
    Kind,
    Malformed,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    TooLarge,
    Unavailable,
)


class OrderNotFound(NotFound):
    message = "There is no such order."


class HTTPOrder2Taken(Conflict):
    code = "order_taken"


class OrderTakenTwice(HTTPOrder2Taken):
    pass


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OrderNotFound, "order_not_found"),
        (NotFound, "not_found"),
        (Unavailable, "unavailable"),
        (PreconditionRequired, "precondition_required"),
        (InvalidHeader, "invalid_header"),
        (TooLarge, "payload_too_large"),
        (HTTPOrder2Taken, "order_taken"),
        (OrderTakenTwice, "order_taken_twice"),
    ],
)
def test_the_code_is_the_name_unless_the_class_says_otherwise(error: type[DomainError], code: str) -> None:
    assert error.code == code


def test_the_kind_is_the_base_class() -> None:
    assert OrderNotFound.kind is Kind.NOT_FOUND
    assert OrderTakenTwice.kind is Kind.CONFLICT
    assert InvalidHeader.kind is Kind.MALFORMED


def test_says_what_its_class_says_or_what_it_is_told() -> None:
    assert str(OrderNotFound(id=7)) == "There is no such order."
    assert str(OrderNotFound("Gone.", id=7)) == "Gone."
    assert OrderNotFound(id=7).details == {"id": 7}


def test_the_cause_is_no_detail() -> None:
    cause = OSError("10.0.0.1 refused")
    error = Unavailable(original_error=cause)
    assert error.original_error is cause
    assert error.details == {}
    assert "10.0.0.1" not in str(error)


def test_only_what_goes_away_by_itself_asks_for_a_retry() -> None:
    assert Unavailable.retry_after == 1
    assert [error.retry_after for error in (Malformed, NotFound, Conflict, PreconditionFailed)] == [None] * 4


class CupGone(NotFound):
    """There is no such cup.

    It may have been broken.
    """


class SaucerGone(NotFound):
    """Whoever broke it."""

    message = "There is no such saucer."


@pytest.mark.parametrize(
    ("error", "message"), [(CupGone, "There is no such cup."), (SaucerGone, "There is no such saucer.")]
)
def test_the_message_is_what_the_class_says_of_itself_unless_it_says_otherwise(
    error: type[NotFound], message: str
) -> None:
    assert (error.message, str(error())) == (message, message)
