"""The memory setting: sizes people write, and a default that respects the limits of a container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sixtyforty.storage import memory
from sixtyforty.storage.memory import MIN_BYTES, MemorySettingError, machine_memory, memory_limit, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GB", 10**9),
        ("1 gb", 10**9),
        ("512MB", 512 * 10**6),
        ("1.5GiB", 3 << 29),
        ("2000000000", 2 * 10**9),
        ("600000000B", 6 * 10**8),
    ],
)
def test_a_size_has_a_unit_or_is_in_bytes(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv("SIXTYFORTY_MEMORY", text)
    assert memory_limit() == size


@pytest.mark.parametrize(
    "text", ["much", "1GB or so", "-1GB", "1,5GB", "1 PB", "1e9", "GB", ".5GB", "nan", "1 GB 1 MB"]
)
def test_a_text_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(MemorySettingError, match="Set it to a size such as 1GB or 512MB"):
        parse_size(text)


@pytest.mark.parametrize("text", ["0", "0GB", "0.5GB", "511MB", "1"])
def test_a_size_that_is_too_small_is_refused(text: str) -> None:
    with pytest.raises(MemorySettingError, match="at least 512MB"):
        parse_size(text)


@pytest.mark.parametrize("text", ["99999TB", "1.000001GiB", "9" * 400 + "MB"])
def test_a_size_beyond_the_memory_of_the_machine_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: 1 << 30)
    with pytest.raises(MemorySettingError, match="this machine or container has only 1,073 MB of memory"):
        parse_size(text)


def test_all_memory_of_the_machine_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: 1 << 30)
    assert parse_size("1GiB") == 1 << 30


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_setting_is_the_default(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SIXTYFORTY_MEMORY", text)
    assert memory_limit() == max(MIN_BYTES, machine_memory() // 4)


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty tree of control groups."""
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN_CGROUPS", tmp_path / "self")
    monkeypatch.delenv("SIXTYFORTY_MEMORY", raising=False)
    machine_memory.cache_clear()
    yield tmp_path
    machine_memory.cache_clear()


@pytest.mark.parametrize("group", ["/", "/user/run", "/docker/on the host"])
@pytest.mark.parametrize("version", [1, 2])
def test_the_default_is_a_quarter_of_the_container(cgroups: Path, group: str, version: int) -> None:
    line, folder, name = {
        1: (f"4:cpu,memory:{group}", cgroups / "memory", "memory.limit_in_bytes"),
        2: (f"0::{group}", cgroups, "memory.max"),
    }[version]
    (cgroups / "self").write_text(f"2:cpu:/elsewhere\n{line}\n")
    (folder / "user" / "run").mkdir(parents=True)
    (folder / "user" / name).write_text("max\n" if version == 2 else str(1 << 62))
    (folder / name).write_text(f"{4 * 10**9}\n")
    assert memory_limit() == 10**9


def test_the_default_is_at_least_the_minimum(cgroups: Path) -> None:
    (cgroups / "self").write_text("0::/\n")
    (cgroups / "memory.max").write_text("1000000000")
    assert memory_limit() == MIN_BYTES


def test_a_machine_without_control_groups_has_its_physical_memory(cgroups: Path) -> None:
    assert not (cgroups / "self").exists()
    assert memory_limit() >= MIN_BYTES
