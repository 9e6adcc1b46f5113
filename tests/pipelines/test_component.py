"""A use case as a Dagster component."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import yaml

from assets.stage_table import STAGES
from pipelines.authoring import loader
from pipelines.component import (
    DecisionPipeline,
    Declaration,
    Scaffolder,
    build_broken_declaration,
    build_chain,
    build_use_cases,
    load_use_cases,
)
from pipelines.settings import SettingsError
from sixtyforty.spec.errors import DeclarationError
from sixtyforty.spec.use_case import UseCase
from tests.flights import flight_delays


@pytest.fixture
def use_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's declarations, to change."""
    folder = shutil.copytree(loader.FOLDER, tmp_path / "use_cases")
    monkeypatch.setattr(loader, "FOLDER", folder)
    return folder


def keys(definitions: dg.Definitions) -> set[str]:
    assets = definitions.assets or ()
    specs = [asset for asset in assets if isinstance(asset, dg.AssetSpec)]
    built = [key for asset in assets if isinstance(asset, dg.AssetsDefinition) for key in asset.keys]
    return {key.to_user_string() for key in [*(spec.key for spec in specs), *built]}


def break_declaration(folder: Path) -> None:
    file = folder / "household_offers" / "defs.yaml"
    file.write_text(file.read_text().replace("title:", "titel:", 1))


def test_a_chain_has_its_stages_its_job_and_its_automation() -> None:
    chain = build_chain(flight_delays())
    assert {"flight_delays/features", "flight_delays/raw/weather", "flight_delays/model_record"} <= keys(chain)
    assert [job.name for job in chain.jobs or ()] == ["flight_delays"]
    assert "flight_delays_new_data" in {sensor.name for sensor in chain.sensors or ()}


def test_a_draft_has_only_the_stages_for_drafts_and_no_automation(use_cases: Path) -> None:
    file = use_cases / "flight_delays" / "outcomes.sql"
    file.write_text("-- TODO\n")
    chain = build_chain(loader.load_declaration(use_cases / "flight_delays"))
    names = {key.split("/")[1] for key in keys(chain)}
    assert names == {stage.name for stage in STAGES if stage.for_drafts}
    assert names == {"raw", "validated", "data_docs", "current_state"}
    assert not chain.sensors and not chain.schedules


def test_a_broken_declaration_is_shown_and_does_not_affect_the_others(use_cases: Path) -> None:
    break_declaration(use_cases)
    definitions = build_use_cases()
    assert "household_offers/declaration" in keys(definitions)
    assert "flight_delays/features" in keys(definitions)
    assert [use_case.name for use_case in load_use_cases()] == ["flight_delays"]


def test_the_asset_of_a_broken_declaration_lists_its_problems(use_cases: Path) -> None:
    break_declaration(use_cases)
    with pytest.raises(DeclarationError) as raised:
        loader.load_declaration(use_cases / "household_offers")
    (spec,) = build_broken_declaration("household_offers", raised.value).assets or ()
    assert isinstance(spec, dg.AssetSpec)
    assert (spec.description or "").startswith("BROKEN: ")
    records = spec.metadata["problems"].records
    assert "titel" in {str(record.data["field"]).split(".")[-1] for record in records}


def test_the_schema_has_every_field_of_a_declaration_with_its_description() -> None:
    assert DecisionPipeline.get_model_cls() is Declaration
    fields = {name for name, field in UseCase.model_fields.items() if not field.exclude}
    assert set(Declaration.model_fields) == fields
    assert all(field.description for field in Declaration.model_fields.values())


def test_an_unknown_field_is_refused(tmp_path: Path) -> None:
    declared = yaml.safe_load((loader.FOLDER / "flight_delays" / "defs.yaml").read_text())["attributes"]
    with pytest.raises(ValueError, match="colour"):
        UseCase(**declared, colour="blue", folder=tmp_path)


def test_the_scaffolder_asks_for_extracts_or_a_use_case_to_copy() -> None:
    assert set(Scaffolder.get_scaffold_params().model_fields) == {"extracts", "like"}


def test_a_use_case_outside_the_folder_of_use_cases_is_refused(use_cases: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(use_cases / "household_offers", tmp_path / "elsewhere" / "household_offers")
    with pytest.raises(SettingsError, match="Set SIXTYFORTY_USE_CASES"):
        DecisionPipeline().build_defs(SimpleNamespace(path=folder))
