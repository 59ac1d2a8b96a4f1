"""The names of a service, all made of two words: what there are many of, and what one of them is called."""

import builtins
import keyword
import re
from dataclasses import dataclass

NAME_MAX = 20
"""Characters: with the longest field, the name of a constraint is one that PostgreSQL does not cut off."""

_WORD = re.compile(rf"[a-z]{{2,{NAME_MAX}}}")
_ENDS_IN_ES = re.compile(r"(?:ss|x|z|ch|sh)es$")
_SOUNDS_LIKE_A_CONSONANT = re.compile(r"uni|us[aeiu]|eu|one")
_RESERVED = {
    *("entities", "events", "repositories", "services", "tables", "units"),  # whose classes are the kernel's
    *("docs", "metrics", "operations"),  # which have addresses, or a tag
    *("applications", "configurations", "sessions"),  # whose tables are there
}


class NamingError(ValueError):
    """This cannot be the name of a service. The message says why."""


@dataclass(frozen=True, slots=True)
class Names:
    """A service's name, and that of one of what it keeps."""

    plural: str
    singular: str

    @property
    def a_singular(self) -> str:
        """With its article."""
        vowel = self.singular[0] in "aeio" or self.singular.startswith("u")
        return f"{'an' if vowel and not _SOUNDS_LIKE_A_CONSONANT.match(self.singular) else 'a'} {self.singular}"


def names(plural: str, singular: str | None = None) -> Names:
    """The names of a service. Raises NamingError."""
    found = Names(plural, singular or singular_of(plural))
    for word in (found.plural, found.singular):
        if not _WORD.fullmatch(word):
            raise NamingError(f"{word!r} is no name: a word of 2 to {NAME_MAX} small letters, such as invoices")
        if keyword.iskeyword(word) or keyword.issoftkeyword(word) or hasattr(builtins, word):
            raise NamingError(f"{word} means something in Python: choose another word")
    if found.plural == found.singular:
        raise NamingError(f"{plural} and its singular have to differ")
    if plural in _RESERVED:
        raise NamingError(f"{plural} is taken by the program itself: choose another word")
    return found


def singular_of(plural: str) -> str:
    """One of them, by the simplest rules. Raises NamingError where they know none: then --singular says it."""
    if plural.endswith("ies") and len(plural) > len("pies"):
        return plural.removesuffix("ies") + "y"
    if _ENDS_IN_ES.search(plural):
        return plural.removesuffix("es")
    if plural.endswith("s") and not plural.endswith(("ss", "us")):
        return plural.removesuffix("s")
    raise NamingError(f"{plural!r} is no plural that is known here: --singular says what one of them is called")
