"""SQLAlchemy statements, compiled once and sent to the driver as text with numbered parameters.

Executing a statement through SQLAlchemy costs about 100 us a call, compiling aside; its text given to asyncpg costs
what asyncpg costs (docs/adr/0003-statements.md has the figures).
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.sql.expression import Executable

_DIALECT = dialect()  # type: ignore[no-untyped-call]

Values = Mapping[str, Any]


class Statement:
    """The text of a statement and the order of its parameters."""

    __slots__ = ("_constants", "_names", "text")

    def __init__(self, source: Executable) -> None:
        """`source` names what a caller gives with `bindparam`; literal values in it are sent along unchanged.

        Raises ValueError where the text would depend on a value, as that of an IN does on its length.
        """
        compiled = source.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
        if compiled.post_compile_params:
            raise ValueError("compare with any_(bindparam(…)), which takes a list as one parameter, instead of in_()")
        self.text = str(compiled)
        self._names: list[str] = list(compiled.positiontup or ())
        self._constants: Values = {
            name: parameter.effective_value for parameter, name in compiled.bind_names.items() if not parameter.required
        }

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return len(self._names)

    def arguments(self, values: Values) -> list[Any]:
        """The values in the order of the text's `$1, $2, …`. Raises KeyError where one is missing."""
        constants = self._constants
        return [values[name] if name in values else constants[name] for name in self._names]
