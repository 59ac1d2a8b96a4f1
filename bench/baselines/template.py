"""The usual template: FastAPI, an AsyncSession from a `yield` dependency, ORM models, `response_model`.

Written the way tutorials and project templates write it, at its best: no refresh after a commit, the fields that the
caller sees and no others, the session's own compare-and-set (`version_id_col`).
"""

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, DateTime, SmallInteger, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError


class Base(DeclarativeBase):
    """The tables are made by Mainstay's migrations; the models name what is used here."""

    type_annotation_map = {datetime: DateTime(timezone=True), int: BigInteger}  # noqa: RUF012 - SQLAlchemy's form


class Pet(Base):
    """A pet."""

    __tablename__ = "pets"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    species: Mapped[str]
    species_key: Mapped[str]
    age_years: Mapped[int | None] = mapped_column(SmallInteger)
    status: Mapped[str]
    version: Mapped[int] = mapped_column()
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's form


class Task(Base):
    """A task."""

    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger)
    assignee: Mapped[str | None]
    due_date: Mapped[date | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    version: Mapped[int]


class Configuration(Base):
    """A configuration."""

    __tablename__ = "configurations"

    id: Mapped[str] = mapped_column(primary_key=True)
    application_id: Mapped[str]
    name: Mapped[str]
    comments: Mapped[str | None]
    config: Mapped[dict[str, Any]] = mapped_column(JSONB)


class IdempotencyKey(Base):
    """The answer that a key got."""

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int] = mapped_column(SmallInteger)
    body: Mapped[bytes]
    etag: Mapped[str]
    location: Mapped[str]


class Outbox(Base):
    """An event to publish."""

    __tablename__ = "outbox"

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    aggregatetype: Mapped[str]
    aggregateid: Mapped[str]
    aggregateversion: Mapped[int]
    type: Mapped[str]
    payload: Mapped[dict[str, object]] = mapped_column(JSONB)
    created_at: Mapped[datetime]


Text = Annotated[str, Field(min_length=1, max_length=64)]
Age = Annotated[int, Field(ge=0, le=100)]
Status = Literal["available", "pending", "sold"]


class PetIn(BaseModel):
    """What a caller sends."""

    name: Text
    species: Text
    age_years: Age | None = None
    status: Status = "available"


class PetPatch(BaseModel):
    """What a caller changes."""

    name: Text = ""
    species: Text = ""
    age_years: Age | None = None
    status: Status = "available"


class PetOut(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    species: str
    age_years: int | None
    status: Status
    version: int


class Meta(BaseModel):
    """Where a page is."""

    total: int
    limit: int
    offset: int


class PetPage(BaseModel):
    """A page of pets."""

    items: list[PetOut]
    meta: Meta = Field(serialization_alias="_meta")


class TaskOut(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    description: str | None
    status: Literal["new", "in_progress", "completed"]
    priority: int
    assignee: str | None
    due_date: date | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    version: int


class ConfigurationOut(BaseModel):
    """A configuration, as it is sent."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    application_id: str
    name: str
    comments: str | None
    config: dict[str, Any]


class TaskPage(BaseModel):
    """A page of tasks."""

    items: list[TaskOut]
    total: int
    limit: int
    offset: int


async def open_session(request: Request) -> AsyncIterator[AsyncSession]:
    """A session for the request."""
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_session)]


async def read_pet(pet_id: int, session: Session, response: Response) -> Pet:
    """GET /pets/{id}."""
    pet = await session.scalar(select(Pet).where(Pet.id == pet_id))
    if pet is None:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{pet.version}"'
    return pet


async def list_pets(
    session: Session,
    species: str,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> PetPage:
    """GET /pets?species=…&limit=…: one species, by name."""
    mine = Pet.species_key == species.lower()
    total = await session.scalar(select(func.count()).select_from(Pet).where(mine))
    page = select(Pet).where(mine).order_by(Pet.name, Pet.id).limit(limit).offset(offset)
    pets = (await session.scalars(page)).all()
    items = [PetOut.model_validate(pet) for pet in pets]
    return PetPage(items=items, meta=Meta(total=total or 0, limit=limit, offset=offset))


async def list_tasks(
    session: Session,
    status: str,
    assignee: str,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> TaskPage:
    """GET /v1/tasks?status=…&assignee=…&limit=…: someone's, the most urgent first."""
    asked = Task.status.in_(status.split(",")), Task.assignee == assignee
    total = await session.scalar(select(func.count()).select_from(Task).where(*asked))
    order = Task.priority.desc(), Task.created_at, Task.id
    tasks = (await session.scalars(select(Task).where(*asked).order_by(*order).limit(limit).offset(offset))).all()
    items = [TaskOut.model_validate(task) for task in tasks]
    return TaskPage(items=items, total=total or 0, limit=limit, offset=offset)


async def read_configuration(
    configuration_id: str, session: Session, response: Response, if_none_match: Annotated[str | None, Header()] = None
) -> Any:
    """GET /api/v1/configurations/{id}: its tag is a hash of its content."""
    found = await session.scalar(select(Configuration).where(Configuration.id == configuration_id))
    if found is None:
        raise HTTPException(404)
    out = ConfigurationOut.model_validate(found)
    tag = f'"{hashlib.blake2b(out.model_dump_json().encode(), digest_size=16).hexdigest()}"'
    if if_none_match in {tag, "*"}:
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return out


async def create_pet(
    pet_in: PetIn, session: Session, response: Response, idempotency_key: Annotated[str, Header()]
) -> Pet:
    """POST /pets with an Idempotency-Key: look the key up, then write pet, key and event in one transaction."""
    scope = "POST /pets"
    if await session.get(IdempotencyKey, ("", scope, idempotency_key)):
        raise HTTPException(409)  # a replay; never measured
    now = datetime.now(UTC)
    pet = Pet(**pet_in.model_dump(), species_key=pet_in.species.lower(), created_at=now, updated_at=now)
    session.add(pet)
    await session.flush()  # the id is in the stored answer and in the event
    tag, location = f'"{pet.version}"', f"/pets/{pet.id}"
    session.add(
        IdempotencyKey(
            tenant_id="",
            scope=scope,
            key=idempotency_key,
            fingerprint=hashlib.sha256(pet_in.model_dump_json().encode()).digest(),
            status=201,
            body=PetOut.model_validate(pet).model_dump_json().encode(),
            etag=tag,
            location=location,
        )
    )
    session.add(event_of(pet, "pet.created", pet.version))
    await session.commit()
    response.headers["ETag"] = tag
    response.headers["Location"] = location
    return pet


async def update_pet(
    pet_id: int, patch: PetPatch, session: Session, response: Response, if_match: Annotated[str, Header()]
) -> Pet:
    """PATCH /pets/{id} with If-Match: read, decide, compare-and-set with the event in one transaction."""
    pet = await session.scalar(select(Pet).where(Pet.id == pet_id))
    if pet is None:
        raise HTTPException(404)
    if if_match not in {f'"{pet.version}"', "*"}:
        raise HTTPException(412)
    for name, value in patch.model_dump(exclude_unset=True).items():
        setattr(pet, name, value)
    pet.species_key = pet.species.lower()
    pet.updated_at = datetime.now(UTC)
    session.add(event_of(pet, "pet.updated", pet.version + 1))
    try:
        await session.commit()
    except StaleDataError as error:
        raise HTTPException(412) from error
    response.headers["ETag"] = f'"{pet.version}"'
    return pet


def event_of(pet: Pet, type_: str, version: int) -> Outbox:
    """The event that says what the pet is now."""
    times = {"created_at": pet.created_at.isoformat(), "updated_at": pet.updated_at.isoformat()}
    return Outbox(
        tenant_id="",
        id=uuid4(),
        aggregatetype="pet",
        aggregateid=str(pet.id),
        aggregateversion=version,
        type=type_,
        payload=PetOut.model_validate(pet).model_dump() | times | {"version": version},
        created_at=pet.updated_at,
    )


def create_app() -> FastAPI:
    """The application."""
    app = FastAPI()
    engine = create_async_engine(
        os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=5, max_overflow=0
    )
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    app.get("/pets/{pet_id}", response_model=PetOut)(read_pet)
    app.get("/pets", response_model=PetPage)(list_pets)
    app.get("/api/v1/configurations/{configuration_id}", response_model=ConfigurationOut)(read_configuration)
    app.get("/v1/tasks", response_model=TaskPage)(list_tasks)
    app.post("/pets", response_model=PetOut, status_code=201)(create_pet)
    app.patch("/pets/{pet_id}", response_model=PetOut)(update_pet)
    return app
