import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from mainstay.kernel.core.errors import StartupError
from mainstay.kernel.ops.secret import kept_secret

AT_ONCE = 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secret_key"


def test_it_is_made_once_and_kept(path: Path) -> None:
    first = kept_secret(path)
    assert len(first) >= 32
    assert kept_secret(path) == first == path.read_bytes()


def test_nobody_else_may_read_it(path: Path) -> None:
    kept_secret(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nobody_else_may_read_it_whatever_the_mask(path: Path) -> None:
    before = os.umask(0)
    try:
        kept_secret(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_else_is_left_in_the_folder(path: Path) -> None:
    kept_secret(path)
    assert list(path.parent.iterdir()) == [path]


def test_each_folder_has_another(tmp_path: Path) -> None:
    assert len({kept_secret(tmp_path / str(number) / "secret_key") for number in range(10)}) == 10


def test_it_is_text_that_can_be_put_into_a_setting(path: Path) -> None:
    assert kept_secret(path).decode("ascii").isprintable()


def test_what_is_there_is_taken_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"s" * 32)
    assert kept_secret(path) == b"s" * 32


@pytest.mark.parametrize("content", [b"", b"short", b"s" * 31])
def test_a_broken_one_is_not_used_and_not_replaced(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StartupError, match="delete the file, or set SECRET_KEY") as raised:
        kept_secret(path)
    assert str(path) in str(raised.value)
    assert path.read_bytes() == content


def test_of_many_at_once_one_makes_it(tmp_path: Path) -> None:
    for number in range(20):
        path, barrier = tmp_path / str(number) / "secret_key", Barrier(AT_ONCE)

        def make(_: int, path: Path = path, barrier: Barrier = barrier) -> bytes:
            barrier.wait()
            return kept_secret(path)

        with ThreadPoolExecutor(AT_ONCE) as threads:
            assert set(threads.map(make, range(AT_ONCE))) == {path.read_bytes()}
        assert list(path.parent.iterdir()) == [path]


def a_file_for_a_folder(path: Path) -> None:
    path.parent.write_bytes(b"")


def a_folder_for_the_file(path: Path) -> None:
    path.mkdir(parents=True)


def a_link_to_nothing(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.parent / "gone" / "secret_key")


def a_folder_without_leave(path: Path) -> None:
    path.parent.mkdir(mode=0o500)
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")


@pytest.mark.parametrize(
    "hinder", [a_file_for_a_folder, a_folder_for_the_file, a_link_to_nothing, a_folder_without_leave]
)
def test_where_it_can_be_neither_read_nor_made_that_is_said(path: Path, hinder: Callable[[Path], None]) -> None:
    hinder(path)
    with pytest.raises(StartupError, match=r"can be neither read nor made .*: set SECRET_KEY") as raised:
        kept_secret(path)
    assert str(path) in str(raised.value)


def test_a_failure_while_it_is_written_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StartupError, match="No space left on device"):
        kept_secret(path)
    assert list(path.parent.iterdir()) == []
