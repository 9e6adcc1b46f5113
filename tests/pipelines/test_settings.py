"""The settings: their defaults, and messages that name a wrong variable and hide its value."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.settings import ROOT, SettingsError, load_settings, prepare_dagster_home
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.memory import MemorySettingError
from sixtyforty.storage.object_store import ObjectPath
from tests.homes import use_home
from tests.postgres import PASSWORD

POSTGRES = "postgresql+psycopg2://db/x"
CLUSTER = {
    "SIXTYFORTY_PROFILE": "cluster",
    "SIXTYFORTY_DATABASE_URL": POSTGRES,
    "SIXTYFORTY_BROKER_URL": "redis://h",
    "SIXTYFORTY_LAKE": "s3://bucket/lake",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An embedded home, without other settings."""
    use_home(monkeypatch, tmp_path)
    for name in ("SIXTYFORTY_BROKER_URL", "SIXTYFORTY_DESK_URL", "SIXTYFORTY_MEMORY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, content in variables.items():
        monkeypatch.setenv(name, content)


def test_the_embedded_profile_needs_no_setting(home: Path) -> None:
    settings = load_settings()
    assert (settings.profile, settings.home, settings.lake) == ("embedded", home, home / "data" / "lake")
    assert settings.database_url == f"sqlite:///{home}/data/deliveries.sqlite"
    assert settings.dvc_remote == str(home / "data" / "dvc" / "remote")
    assert settings.dagster_home == home / "data" / "dagster"
    assert (settings.desk_url, settings.broker_url) == (None, "")


def test_without_a_home_the_project_is_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIXTYFORTY_HOME")
    assert load_settings().home == ROOT


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_any_spelling_of_postgresql_gets_the_installed_driver(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    set_variables(monkeypatch, {"SIXTYFORTY_DATABASE_URL": f"{scheme}://db/x"})
    assert load_settings().database_url == POSTGRES


def test_a_cluster_has_a_broker_and_a_lake_in_an_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, CLUSTER)
    settings = load_settings()
    assert (settings.profile, settings.broker_url) == ("cluster", "redis://h")
    assert isinstance(settings.lake, ObjectPath)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SIXTYFORTY_PROFILE": "big"}, "SIXTYFORTY_PROFILE is 'big'. Set it to embedded, production or cluster."),
        ({"SIXTYFORTY_PROFILE": "production"}, "SIXTYFORTY_DATABASE_URL is not set"),
        (
            {"SIXTYFORTY_PROFILE": "production", "SIXTYFORTY_DATABASE_URL": f"mysql://me:{PASSWORD}@db/x"},
            "SIXTYFORTY_DATABASE_URL is not a PostgreSQL address",
        ),
        ({**CLUSTER, "SIXTYFORTY_BROKER_URL": ""}, "SIXTYFORTY_BROKER_URL is not set"),
        ({**CLUSTER, "SIXTYFORTY_LAKE": "/lake"}, "SIXTYFORTY_LAKE is a folder"),
        ({"SIXTYFORTY_DESK_URL": "desk.example"}, "SIXTYFORTY_DESK_URL is not a web address"),
        ({"SIXTYFORTY_HOME": "/srv/which?/one"}, "The home /srv/which?/one has a question mark in its path"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_hidden(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    set_variables(monkeypatch, variables)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert message in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert isinstance(raised.value, SixtyfortyError)


def test_a_wrong_memory_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {"SIXTYFORTY_MEMORY": "1 byte"})
    with pytest.raises(MemorySettingError, match="SIXTYFORTY_MEMORY is '1 byte'"):
        load_settings()


def test_the_text_of_settings_hides_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"SIXTYFORTY_DATABASE_URL": f"postgresql://me:{PASSWORD}@db/x", "SIXTYFORTY_BROKER_URL": PASSWORD}
    set_variables(monkeypatch, CLUSTER | secret | {"SIXTYFORTY_DVC_REMOTE": f"s3://{PASSWORD}"})
    assert PASSWORD not in repr(load_settings())


def test_dagster_home_is_prepared_and_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME")
    settings = prepare_dagster_home()
    assert os.environ["DAGSTER_HOME"] == str(settings.dagster_home)
    assert (settings.dagster_home / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()


def test_a_start_makes_a_home_of_an_earlier_version_private(home: Path) -> None:
    database = home / "data" / "deliveries.sqlite"
    database.parent.mkdir()
    database.touch()
    database.chmod(0o644)
    database.parent.chmod(0o755)
    dagster_home = prepare_dagster_home().dagster_home
    modes = [path.stat().st_mode & 0o777 for path in (database.parent, database, dagster_home / "dagster.yaml")]
    assert modes == [0o700, 0o600, 0o600]


def test_hosts_of_the_pages_are_names_without_port_and_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIXTYFORTY_PAGES_HOSTS", raising=False)
    assert load_settings().pages_hosts == ()
    monkeypatch.setenv("SIXTYFORTY_PAGES_HOSTS", " Sixtyforty.example, ops.example,")
    assert load_settings().pages_hosts == ("sixtyforty.example", "ops.example")
    for wrong in ("https://ops.example", "ops.example:443", "*", "*.example", "a b"):
        monkeypatch.setenv("SIXTYFORTY_PAGES_HOSTS", wrong)
        with pytest.raises(SettingsError, match="SIXTYFORTY_PAGES_HOSTS is not a list of host names"):
            load_settings()


def test_days_of_addresses_are_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().address_days == 30
    monkeypatch.setenv("SIXTYFORTY_ADDRESS_DAYS", "7")
    assert load_settings().address_days == 7
    for wrong in ("0", "-1", "x", "1.5", "99999"):
        monkeypatch.setenv("SIXTYFORTY_ADDRESS_DAYS", wrong)
        with pytest.raises(SettingsError, match="SIXTYFORTY_ADDRESS_DAYS is not a number of days"):
            load_settings()


def test_a_provider_of_the_desk_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().provider is None
    monkeypatch.setenv("SIXTYFORTY_OIDC_ISSUER", "https://login.example")
    with pytest.raises(SixtyfortyError, match="SIXTYFORTY_OIDC_CLIENT_ID"):
        load_settings()


def test_the_wheel_has_no_default_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.settings.IS_WHEEL", True)
    monkeypatch.delenv("SIXTYFORTY_HOME", raising=False)
    with pytest.raises(SettingsError, match="SIXTYFORTY_HOME is not set"):
        load_settings()
