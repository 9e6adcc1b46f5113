"""`sixtyforty doctor` names the files that other users can read, also in a lake outside of the home."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.operations import permissions
from pipelines.operations.doctor import examine
from pipelines.operations.permissions import ExposedFilesError, describe_hard_links, describe_permissions
from pipelines.settings import prepare_dagster_home
from tests.homes import use_home


def test_doctor_names_a_readable_ledger_and_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path)
    prepare_dagster_home()
    ledger = tmp_path / "data" / "models" / "flights" / "champion.jsonl"
    ledger.parent.mkdir(parents=True)
    ledger.touch()
    assert describe_permissions() == f"only this user reads {tmp_path / 'data'}"
    ledger.chmod(0o640)
    examination = next(each for each in examine() if each.thing == "permissions")
    assert not examination.ok and "chmod -R go-rwx" in str(examination.cure)
    assert examination.found == f"other users may read or write {ledger} (mode 0640)"


def test_a_lake_outside_of_the_home_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path / "home")
    prepare_dagster_home()
    lake = tmp_path / "lake"
    lake.mkdir()
    lake.chmod(0o755)
    monkeypatch.setenv("SIXTYFORTY_LAKE", str(lake))
    with pytest.raises(ExposedFilesError, match=f"{lake} .mode 0755"):
        describe_permissions()


def test_doctor_names_a_system_that_lets_senders_link_files_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = tmp_path / "protected_hardlinks"
    monkeypatch.setattr(permissions, "PROTECTED_LINKS", setting)
    for content in (None, "1\n"):
        if content:
            setting.write_text(content)
        assert describe_hard_links() == "the system refuses hard links to files of others"
    setting.write_text("0\n")
    with pytest.raises(ExposedFilesError, match="may link any file of this disk into the landing zone"):
        describe_hard_links()
