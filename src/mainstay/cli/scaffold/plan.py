"""A service that is to be: from what the command line says to the words that fill the templates."""

import ast
import shlex
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mainstay.cli.scaffold.fields import Field
from mainstay.cli.scaffold.naming import Names, singular_of
from mainstay.cli.scaffold.page import LINE, written

AN_ID, AN_EVENT = "019a9f2e-7c1b-7cc2-a5b0-1f2e3d4c5b6a", "019a9f2e-7c1b-7cc2-a5b0-000000000001"
A_TIME = "2026-11-21T09:30:00.123456Z"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new service is to be."""

    names: Names
    fields: Sequence[Field]
    tenant: bool = False
    """Whether each tenant has its own."""
    unique: str | None = None
    """The field that no two of a tenant's share."""

    @property
    def command(self) -> str:
        """What makes it. The service's own package keeps it: by it the service is known again, to be removed."""
        parts = ["mainstay", "new", "service", self.names.plural]
        parts += [part for field in self.fields for part in ("--field", str(field))]
        parts += ["--tenant"] * self.tenant
        parts += ["--unique", self.unique] if self.unique else []
        if self.names.singular != _simply(self.names.plural):
            parts += ["--singular", self.names.singular]
        return shlex.join(parts)

    @property
    def constraint(self) -> str:
        """The name of the constraint on the field that is there once."""
        return "_".join([self.names.plural, *["tenant_id"] * self.tenant, self.unique or "", "key"])

    def words(self) -> dict[str, str]:
        """What the templates' variables stand for."""
        return {**_names(self), **_layers(self), **_tests(self)}


def _simply(plural: str) -> str:
    try:
        return singular_of(plural)
    except ValueError:
        return ""


def _names(plan: Plan) -> dict[str, str]:
    names = plan.names
    command = textwrap.wrap(
        plan.command, LINE - 4, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return {
        "plural": names.plural,
        "Plural": names.plural.capitalize(),
        "singular": names.singular,
        "Singular": names.singular.capitalize(),
        "SINGULAR": names.singular.upper(),
        "a_singular": names.a_singular,
        "A_singular": _upper(names.a_singular),
        "A_owned": f"A tenant's {names.singular}" if plan.tenant else _upper(names.a_singular),
        "whose": f"the tenant's {names.plural}" if plan.tenant else names.plural,
        "command": textwrap.indent("\n".join(command), "    "),
    }


def _upper(words: str) -> str:
    """With a capital at the beginning, and the others as they are."""
    return words[0].upper() + words[1:]


def _layers(plan: Plan) -> dict[str, str]:
    """What differs by fields, tenant and uniqueness in the service's own files."""
    singular, duplicate = plan.names.singular, f"Duplicate{plan.names.singular.capitalize()}"
    nullable = any(field.optional for field in plan.fields)
    return {
        "domain_fields": _lines(["tenant_id: str"] * plan.tenant, map(_in_domain, plan.fields)),
        "model_fields": _lines(map(_in_model, plan.fields)),
        "schema_fields": _lines(map(_in_schema, plan.fields)),
        "migration_columns": _lines(_columns(plan), width=8),
        "null_clears": ", null clears" if nullable else "",
        "conflict_class": _conflict(plan, duplicate) if plan.unique else "",
        "model_unique": f"\n    __table_args__ = (UniqueConstraint({_quoted(_unique(plan))}),)" if plan.unique else "",
        "conflicts": f'    conflicts = (("{plan.constraint}", {duplicate}),)' if plan.unique else "",
        "conflict": f"{duplicate}, " if plan.unique else "",
        "Duplicate": duplicate if plan.unique else plan.names.singular.capitalize() + "NotFound",
        "tenant": "tenant=True, " if plan.tenant else "",
        "Row": "TenantRow" if plan.tenant else "EntityRow",
        "Versioned": "TenantVersioned" if plan.tenant else "Versioned",
        "key": f"(tenant_of(request), {singular}_id)" if plan.tenant else f"{singular}_id",
        "and_request": ", request: Request" if plan.tenant else "",
        "new": '{**dict(body), "tenant_id": tenant_of(request)}' if plan.tenant else "dict(body)",
        "with_tenant": ", whose key begins with the tenant" if plan.tenant else "",
    }


def _tests(plan: Plan) -> dict[str, str]:
    """What differs in its tests."""
    json = [f'"{field.name}": {field.type.json},' for field in plan.fields]
    tenant = ['"tenant_id": "tenant-1",'] * plan.tenant
    values = [f'"{field.name}": {field.type.value},' for field in plan.fields]
    good, bad = [], []
    for field in plan.fields:
        good += [f'("{field.name}", {value}),' for value in (*field.type.good, *["None"] * field.optional)]
        bad += [f'("{field.name}", {value}),' for value in (*field.type.bad, *["None"] * (not field.optional))]
    return {
        "json_fields": _lines(json),
        "python_fields": _lines(tenant, values),
        "required": _quoted(field.name for field in plan.fields if not field.optional),
        "good": _lines(good),
        "bad": _lines(bad),
        "a_tenant": "tenant-1" if plan.tenant else "",
        "headers": ', **{"X-Tenant-Id": "tenant-1"}' if plan.tenant else "",
        **_resource(plan),
        "event": written(_event(plan)),
        "another": f'{{**BODY, "{plan.unique}": f"number {{number}}"}}' if plan.unique else "BODY",
        "unique": plan.unique or "",
    }


def _resource(plan: Plan) -> dict[str, str]:
    """Its row among the resources of the conformance suite."""
    varied = plan.unique or next((field.name for field in plan.fields if field.kind in {"str", "text"}), None)
    body = [
        f'"{field.name}": ' + ('f"some text {text}"' if field.name == varied else field.type.json)
        for field in plan.fields
    ]
    return {
        "text": "text" if varied else "_",
        "resource_body": _lines((f"{part}," for part in body), width=12),
        "resource_headers": '        headers={"X-Tenant-Id": "tenant-1"},\n' if plan.tenant else "",
        "resource_unique": f'        unique="{plan.unique}",\n' if plan.unique else "",
        "first": plan.fields[0].name,
        "first_json": 'f"changed {text}"' if plan.fields[0].name == plan.unique else plan.fields[0].type.json,
        "text_of_change": "text" if plan.fields[0].name == plan.unique else "_",
    }


def _event(plan: Plan) -> dict[str, object]:
    """An example."""
    data: dict[str, object] = {"id": AN_ID}
    if plan.tenant:
        data["tenant_id"] = "tenant-1"
    data |= {field.name: ast.literal_eval(field.type.json) for field in plan.fields}
    data |= {"version": 1, "created_at": A_TIME, "updated_at": A_TIME}
    return {
        "specversion": "1.0",
        "id": AN_EVENT,
        "source": f"urn:mainstay:{plan.names.singular}",
        "type": f"{plan.names.singular}.created",
        "subject": AN_ID,
        "time": A_TIME,
        "datacontenttype": "application/json",
        "sequence": "0000000000000000001",
        "aggregateversion": 1,
        **({"tenantid": "tenant-1"} if plan.tenant else {}),
        "data": data,
    }


def _lines(*parts: Iterable[str], width: int = 4) -> str:
    return "\n".join(" " * width + line for part in parts for line in part)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _unique(plan: Plan) -> list[str]:
    return [*["tenant_id"] * plan.tenant, plan.unique or ""]


def _in_domain(field: Field) -> str:
    return f"{field.name}: {field.type.python}{' | None' if field.optional else ''}"


def _in_model(field: Field) -> str:
    return f"{field.name}: Mapped[{field.type.python}{' | None' if field.optional else ''}]"


def _in_schema(field: Field) -> str:
    wire = f"{field.type.wire} | None" if field.optional else field.type.wire
    described = f'Annotated[{wire}, Field(description="{field.words}.", examples=[{field.type.json}])]'
    return f"{field.name}: {described}{' = None' if field.optional else ''}"


def _columns(plan: Plan) -> list[str]:
    key = [*["tenant_id"] * plan.tenant, "id"]
    kinds = {name: "sa.Text" if name == "tenant_id" else "sa.Uuid" for name in key}
    kinds |= {field.name: field.type.column for field in plan.fields}
    kinds |= {"version": "sa.BigInteger", **dict.fromkeys(("created_at", "updated_at"), "sa.DateTime(timezone=True)")}
    nullable = {field.name for field in plan.fields if field.optional}
    columns = [
        f'sa.Column("{name}", {kind}{"" if name in nullable else ", nullable=False"}),' for name, kind in kinds.items()
    ]
    columns.append(f'sa.PrimaryKeyConstraint({_quoted(key)}, name="{plan.names.plural}_pkey"),')
    if plan.unique:
        columns.append(f'sa.UniqueConstraint({_quoted(_unique(plan))}, name="{plan.constraint}"),')
    return columns


def _conflict(plan: Plan, duplicate: str) -> str:
    unique = (plan.unique or "").replace("_", " ")
    return f'class {duplicate}(Conflict):\n    """There is {plan.names.a_singular} with this {unique} already."""\n\n\n'
