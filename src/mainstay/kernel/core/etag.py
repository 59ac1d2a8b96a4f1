"""Entity tags and the two conditions on them (RFC 9110, sections 8.8.3 and 13.1)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mainstay.kernel.core.errors import InvalidHeader, PreconditionFailed

# One list member: a tag, quoted (weak or strong) or, for callers that exist, a bare version number; or nothing.
# The first `*+` never gives back what it took: a header full of blanks would be tried in quadratic time.
_MEMBER = re.compile(r'[ \t]*+(?:(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"|(0|[1-9][0-9]*))?[ \t]*(?:,|\Z)')


def entity_tag(version: int | str) -> str:
    """The strong tag of a version, as it stands in the ETag header."""
    return f'"{version}"'


@dataclass(frozen=True, slots=True)
class TagList:
    """The value of If-Match or If-None-Match: `*`, or the opaque parts of the listed tags.

    Weak and strong tags are told apart nowhere: all of ours are strong, so a tag that a proxy has weakened on its
    way still names one version exactly.
    """

    anything: bool = False
    tags: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, value: str) -> "TagList":
        """Read a header's value (several lines joined by commas). Raises InvalidHeader where it is malformed."""
        if value.strip(" \t") == "*":
            return cls(anything=True)
        tags = frozenset(_members(value))
        if not tags:
            raise InvalidHeader('If-Match and If-None-Match take entity tags such as "3", a list of them, or *.')
        return cls(tags=tags)

    def names(self, version: int | str) -> bool:
        """Whether the list holds this version."""
        return self.anything or str(version) in self.tags

    def check(self, version: int | str) -> None:
        """Hold the list against the current version, as If-Match wants it. Raises PreconditionFailed."""
        if not self.names(version):
            raise PreconditionFailed(entity_tag(version))


ANY_VERSION = TagList(anything=True)
"""What an absent If-Match means: the change is for whatever is there."""


def _members(value: str) -> Iterator[str]:
    """The opaque tags of a list, empty members passed over (RFC 9110, section 5.6.1.2)."""
    position = 0
    while position < len(value):
        member = _MEMBER.match(value, position)
        if member is None:
            raise InvalidHeader('If-Match and If-None-Match take entity tags such as "3", a list of them, or *.')
        if member[1] is not None or member[2] is not None:
            yield member[1] if member[1] is not None else member[2]
        position = member.end()
