"""The folders of use cases and suites: the project's own, or those that the environment names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.spec.project_folders import suites_folder, use_cases_folder


def test_the_environment_names_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (use_cases_folder() / "flight_delays" / "defs.yaml").is_file()
    assert (suites_folder() / "flight_delays" / "features.yaml").is_file()
    monkeypatch.setenv("SIXTYFORTY_USE_CASES", str(tmp_path / "defs"))
    monkeypatch.setenv("SIXTYFORTY_SUITES", str(tmp_path / "rules"))
    assert (use_cases_folder(), suites_folder()) == (tmp_path / "defs", tmp_path / "rules")
