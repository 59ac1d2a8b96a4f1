"""Believable data, each item a function of seed and number alone: more of it begins with less of it. Pure.

People, companies and addresses are nobody's: example.com and its kin are reserved for that (RFC 2606).
"""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import product
from random import Random
from typing import Any, NamedTuple

Fields = dict[str, Any]

TENANTS = ("acme", "globex", "initech", "umbrella-events", "wayne-logistics")

_PETS = {
    "cat": ("Mittens", "Luna", "Oscar", "Cleo", "Salem", "Nala", "Simba", "Misty"),
    "dog": ("Rex", "Bella", "Charlie", "Daisy", "Rocky", "Molly", "Buddy", "Zoe"),
    "rabbit": ("Thumper", "Clover", "Hazel", "Biscuit"),
    "parrot": ("Kiwi", "Rio", "Polly", "Mango"),
    "tortoise": ("Sheldon", "Franklin", "Speedy"),
}
_AGES = {"cat": 18, "dog": 14, "rabbit": 9, "parrot": 40, "tortoise": 80}

_DONE = ("Fix", "Document", "Speed up", "Test", "Review", "Simplify", "Monitor", "Translate", "Redesign", "Automate")
_PARTS = (
    *("login page", "checkout", "invoice export", "search", "password reset", "nightly backup", "release notes"),
    *("onboarding e-mail", "rate limits", "payment retries", "image upload", "admin dashboard", "audit log"),
    *("dark mode", "CSV import", "webhook deliveries", "cookie banner", "error pages", "mobile menu", "price list"),
)
_PLACES = ("", " on mobile", " for new customers", " in staging", " for partners", " before the launch")
_REASONS = (
    *(
        "Two customers have asked for it this week.",
        "See the notes of Monday's planning.",
        "It failed twice last night.",
    ),
    *("Small, but everybody stumbles over it.", "The old way stops working at the end of the quarter."),
)

_FIRST = ("Ada", "Alan", "Grace", "Katherine", "Linus", "Margaret", "Dennis", "Barbara", "Edsger", "Frances")
_LAST = ("Okafor", "Lindqvist", "Moreau", "Tanaka", "Silva", "Nowak", "Haddad", "Müller", "O'Brien", "Castillo")
_DOMAINS = ("example.com", "example.org", "example.net")

_PROGRAMS = ("checkout", "search", "billing", "catalog", "identity", "shipping", "reports", "notifications", "media")
_KINDS = ("api", "worker", "web", "gateway", "cron")
ENVIRONMENTS = ("development", "staging", "production")


class Task(NamedTuple):
    """A task to add, and the statuses that it goes through."""

    fields: Fields
    statuses: Sequence[str]


class Order(NamedTuple):
    """An order, and how far it gets: None is a draft."""

    tenant: str
    total_cents: int | None
    is_closed: bool


class Application(NamedTuple):
    """An application with its configurations, by name."""

    fields: Fields
    configurations: Mapping[str, Fields]


def pet(seed: int, number: int) -> Fields:
    """A pet; most can be had."""
    random = _random(seed, "pet", number)
    species = random.choices(list(_PETS), (8, 8, 3, 2, 1))[0]
    age = random.randint(0, _AGES[species]) if _happens(random, 0.9) else None
    status = random.choices(("available", "pending", "sold"), (6, 2, 3))[0]
    return {"name": random.choice(_PETS[species]), "species": species, "age_years": age, "status": status}


def task(seed: int, number: int, today: date) -> Task:
    """A task that a team would have; due days count from `today`."""
    random = _random(seed, "task", number)
    done, part, place = _unlike_others(seed, number, _DONE, _PARTS, _PLACES)
    due = today + timedelta(days=random.randint(-7, 45)) if _happens(random, 0.7) else None
    fields = {
        "title": f"{done} {part}{place}{_round(number, _DONE, _PARTS, _PLACES)}",
        "description": random.choice((None, *_REASONS)),
        "status": "new",
        "priority": random.choices((1, 2, 3, 4, 5), (1, 2, 5, 3, 1))[0],
        "assignee": random.choice((None, *(name.lower() for name in _FIRST))),
        "due_date": due,
    }
    return Task(fields, random.choices(((), ("in_progress",), ("in_progress", "completed")), (4, 3, 3))[0])


def order(seed: int, number: int) -> Order:
    """An order of one of the tenants, in any state."""
    random = _random(seed, "order", number)
    total = random.choice((990, 1990, 4900, 12_500)) * random.randint(1, 12)
    status = random.choices(("draft", "confirmed", "closed"), (2, 4, 4))[0]
    return Order(random.choice(TENANTS), None if status == "draft" else total, status == "closed")


def user(seed: int, number: int) -> Fields:
    """A user: the first is an admin, the next ones are of a tenant each, some have left."""
    random = _random(seed, "user", number)
    first, last = _unlike_others(seed, number, _FIRST, _LAST)
    again = _round(number, _FIRST, _LAST)
    address = _plain(f"{first}.{last}{again}".replace(" ", ""))
    is_admin = number == 0
    scopes = ("configs:read", "orders:*", "pets:*", "tasks:*") if _happens(random, 0.7) else ("orders:read",)
    return {
        "email": f"{address}@{random.choice(_DOMAINS)}",
        "full_name": f"{first} {last}{again}",
        "role": "admin" if is_admin else "user",
        "scopes": scopes,
        "tenant": None if is_admin else TENANTS[number % len(TENANTS)],
        "is_active": is_admin or _happens(random, 0.9),
    }


def application(seed: int, number: int) -> Application:
    """An application as a company runs it, configured for each environment."""
    random = _random(seed, "application", number)
    program, kind = _unlike_others(seed, number, _PROGRAMS, _KINDS)
    name = f"{program}-{kind}{_round(number, _PROGRAMS, _KINDS).replace(' ', '-')}"
    comments = random.choice((None, f"Ask the {program} team first.", "Read at the start, and watched from then on."))
    configurations = {
        environment: {
            "log_level": "DEBUG" if environment == "development" else "INFO",
            "replicas": random.randint(2, 12) if environment == "production" else 1,
            "timeout_seconds": random.choice((0.5, 1.0, 2.5, 5.0)),
            "retries": random.randint(0, 5),
            "url": f"https://{name}.{environment}.example.com",
            "features": {"new_layout": environment != "production" or _happens(random, 0.5), "beta": False},
        }
        for environment in ENVIRONMENTS
    }
    return Application({"name": name, "comments": comments}, configurations)


def _happens(random: Random, share: float) -> bool:
    return random.random() < share


def _random(seed: int, kind: str, number: int) -> Random:
    return Random(f"{seed}/{kind}/{number}")  # noqa: S311 - no secret is made of it


def _unlike_others(seed: int, number: int, *words: Sequence[str]) -> Sequence[str]:
    """One of all combinations, in an order of the seed's own: none comes again before all have come."""
    combinations = list(product(*words))
    _random(seed, "order of combinations", 0).shuffle(combinations)
    return combinations[number % len(combinations)]


def _round(number: int, *words: Sequence[str]) -> str:
    """What tells the second round of combinations from the first."""
    whole = len(list(product(*words)))
    return f" {number // whole + 1}" if number >= whole else ""


def _plain(name: str) -> str:
    """As it stands in an address."""
    letters = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return "".join(letter for letter in letters if letter.isalnum() or letter == ".")
