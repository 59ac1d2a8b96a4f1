"""docs/TIS.md shows the code as it is: scripts/tis.py, which `make tis` runs, would write nothing else."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tis() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tis", ROOT / "scripts" / "tis.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_the_code(tis: ModuleType) -> None:
    text = tis.PAGE.read_text()
    assert tis.current(text, tis.PAGE.parent) == text, "run: make tis"
    assert len(tis.LINK.findall(text)) > 20


def test_the_pictures_show_the_rooms(tis: ModuleType) -> None:
    rooms = {room for pair in tis.arrows("program") for room in pair}
    assert rooms == {"cli", "app", "settings", "services", "http", "db", "sinks", "ops", "core"}
    assert ("routes", "dependencies") in tis.arrows("service")


def test_an_import_that_no_longer_way_shows_is_an_arrow(tis: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    new = ("mainstay.kernel.core.events", "mainstay.settings")
    monkeypatch.setattr(tis, "imports", lambda: {("mainstay.services.pets.routes", "mainstay.kernel.core.events"), new})
    assert tis.arrows("program") == {("services", "core"), ("core", "settings")}


def test_a_longer_way_stands_for_the_short_one(tis: ModuleType) -> None:
    assert tis.reduced({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}


def test_rooms_that_import_each_other_are_named(tis: ModuleType) -> None:
    with pytest.raises(ValueError, match="These import each other: a, b, c"):
        tis.reduced({("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")})


CODE = "LIMIT: int = 3\n\n\nclass Pet:\n    def change(self) -> None: ...\n\n\nasync def add() -> None: ...\n"


@pytest.mark.parametrize(("name", "line"), [("LIMIT", 1), ("Pet", 4), ("Pet.change", 5), ("add()", 8)])
def test_a_link_leads_to_the_line_of_its_name(tis: ModuleType, tmp_path: Path, name: str, line: int) -> None:
    (tmp_path / "pets.py").write_text(CODE)
    assert tis.current(f"See [`{name}`](pets.py#L77).", tmp_path) == f"See [`{name}`](pets.py#L{line})."


@pytest.mark.parametrize("name", ["change", "Pet.remove", "Pat", "LIMIT.change"])
def test_a_name_that_is_not_there_is_told(tis: ModuleType, tmp_path: Path, name: str) -> None:
    (tmp_path / "pets.py").write_text(CODE)
    with pytest.raises(ValueError, match=rf"There is no {name} in pets\.py"):
        tis.current(f"[`{name}`](pets.py)", tmp_path)
