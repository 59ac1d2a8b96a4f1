"""What stands in the addresses of services."""

from typing import Annotated

from fastapi import Path

from mainstay.kernel.http.parameters import PlainUuid
from mainstay.kernel.http.schemas import AN_ID

EntityId = Annotated[PlainUuid, Path(description="The id, as the answer to its POST has it.", examples=[AN_ID])]
