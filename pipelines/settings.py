"""Read the settings of this process from the environment. The last three are also read where they are needed.

- `SIXTYFORTY_PROFILE`: embedded (default), production, or cluster (production on several machines).
- `SIXTYFORTY_HOME`: the folder that holds `data/`. Default: the project's root. The installed wheel has no default.
- `SIXTYFORTY_USE_CASES`, `SIXTYFORTY_SUITES`: the folders of the use cases and of their suites of rules.
  `sixtyforty.spec.project_folders` reads them. Default: `pipelines/use_cases` and `expectations`.
- `SIXTYFORTY_DATABASE_URL`: the database that receives decisions. In production it also holds Dagster's storage.
- `SIXTYFORTY_LAKE`: the folder of the lake, or `s3://bucket/prefix`. Default: `data/lake`.
- `SIXTYFORTY_BROKER_URL`: Celery's broker, from which the workers of a cluster take their runs.
- `SIXTYFORTY_DVC_REMOTE`: folder or URL of the DVC remote. Default: `data/dvc/remote`.
- `SIXTYFORTY_DESK_URL`: the address of the desk, if it is behind a proxy. Default: the address where the desk listens.
- `SIXTYFORTY_OIDC_…`: the OpenID provider of the desk; see `desk.oidc_settings`. Default: none.
- `SIXTYFORTY_ADDRESS_DAYS`: the days after which the security log deletes the addresses of clients. Default: 30.
- `SIXTYFORTY_PAGES_HOSTS`: the host names of Dagster's pages behind a proxy, separated by commas. Default: none.
- `SIXTYFORTY_MEMORY`: the memory that a process may use for data from an extract to decisions and accounts, such as
  `1GB`. Default: a quarter of the memory of the machine or container, but at least `512MB`. `sixtyforty.storage.memory`
  reads it where it is needed; here it is only checked.
- `SIXTYFORTY_BACKUP_HOURS`: the age of the newest backup beyond which the watch sends an alert. Default: 30 in
  production, no alert in the profile embedded.
- `SIXTYFORTY_HEARTBEAT_URL`: an address that the watch requests after each look, so that another machine can alert when
  it stays away. Default: none.
- `SIXTYFORTY_LOG_FORMAT`: text (default) or json, for the logs of runs and services.
- `SIXTYFORTY_ESTIMATOR_PACKAGES`, `SIXTYFORTY_LOCATION_ROOTS`: what declarations may import and read.
  `sixtyforty.spec.confinement` reads them where declarations are loaded; here they are only checked.
- `SIXTYFORTY_WITNESS`: where the heads of ledgers are sent: an absolute path, an `https://` address, or
  `command:PROGRAM`. `sixtyforty.storage.witness` reads it where it is needed; here it is only checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from sixtyforty.spec.confinement import estimator_packages, location_roots
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.project_folders import IS_WHEEL
from sixtyforty.storage.files import access_errors, create_folder, write_atomic
from sixtyforty.storage.home_format import ensure_home_format
from sixtyforty.storage.memory import memory_limit
from sixtyforty.storage.object_store import StoragePath, parse_storage_path
from sixtyforty.storage.private_files import make_private, use_private_umask
from sixtyforty.storage.private_logs import use_private_logs
from sixtyforty.storage.security_log import DEFAULT_ADDRESS_DAYS
from sixtyforty.storage.unfinished_move import refuse_unfinished_move
from sixtyforty.storage.witness import witness_address

if TYPE_CHECKING:
    from desk.oidc_settings import ProviderSettings

ROOT = Path(__file__).resolve().parents[1]
DRIVER = "postgresql+psycopg2://"
BACKUP_HOURS = 30.0
HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
Profile = Literal["embedded", "production", "cluster"]
LogFormat = Literal["text", "json"]


@dataclass(frozen=True)
class Settings:
    """The settings of this process. `repr` omits the fields that may hold a password."""

    profile: Profile
    home: Path
    lake: StoragePath
    database_url: str = field(repr=False)
    dvc_remote: str = field(repr=False)
    desk_url: str | None = None
    broker_url: str = field(default="", repr=False)
    pages_hosts: tuple[str, ...] = ()
    backup_hours: float | None = None
    log_format: LogFormat = "text"
    heartbeat_url: str | None = field(default=None, repr=False)
    provider: ProviderSettings | None = None
    address_days: int = DEFAULT_ADDRESS_DAYS

    @property
    def dagster_home(self) -> Path:
        """The folder DAGSTER_HOME, with Dagster's configuration and logs. In the profile embedded also its storage."""
        return self.home / "data" / "dagster"


class SettingsError(SixtyfortyError):
    """A setting is missing or wrong. The message names the variable and hides its value, which may be secret."""


def load_settings() -> Settings:
    """Return the settings from the environment. Raises SettingsError if a variable is missing or wrong.

    Every process that works on a home calls this first. So it also keeps the files that the process creates private,
    and passwords out of its logs.

    Raises MemorySettingError if SIXTYFORTY_MEMORY is wrong, and ConfinementSettingError if the packages or roots are.
    """
    use_private_umask()
    use_private_logs()
    environment = os.environ
    memory_limit()
    estimator_packages()
    location_roots()
    witness_address()
    profile = _profile(environment)
    home = _home(environment)
    url = _with_driver(environment.get("SIXTYFORTY_DATABASE_URL", ""))
    lake_address = environment.get("SIXTYFORTY_LAKE") or str(home / "data" / "lake")
    settings = Settings(
        profile=profile,
        home=home,
        lake=parse_storage_path(lake_address, url if url.startswith(DRIVER) else ""),
        database_url=url or f"sqlite:///{home / 'data' / 'deliveries.sqlite'}",
        dvc_remote=environment.get("SIXTYFORTY_DVC_REMOTE") or str(home / "data" / "dvc" / "remote"),
        desk_url=_web_address(environment, "SIXTYFORTY_DESK_URL"),
        broker_url=environment.get("SIXTYFORTY_BROKER_URL", "") if profile == "cluster" else "",
        pages_hosts=_pages_hosts(environment),
        backup_hours=_backup_hours(environment, None if profile == "embedded" else BACKUP_HOURS),
        log_format=_log_format(environment),
        heartbeat_url=_web_address(environment, "SIXTYFORTY_HEARTBEAT_URL"),
        provider=_provider(environment),
        address_days=_address_days(environment),
    )
    if profile != "embedded":
        _check_database(profile, url)
    if profile == "cluster":
        _check_cluster(settings)
    return settings


def prepare_dagster_home(during_move: bool = False) -> Settings:
    """Create Dagster's home folder and set the variable DAGSTER_HOME. Call this before any Dagster service starts.

    during_move: the caller itself renames or removes a use case, or reports that a rename or removal is unfinished.
    Raises HomeFormatError for a home that another version of the project wrote, FileAccessError for a home that can't
    be written, and UnfinishedMoveError if a use case is being renamed or removed.
    """
    settings = load_settings()
    ensure_home_format(settings.home)
    if not during_move:
        refuse_unfinished_move(settings.home, settings.lake)
    make_private(settings.home / "data")
    create_folder(settings.dagster_home)
    with access_errors(settings.dagster_home):
        _copy_if_changed(ROOT / "dagster.yaml", settings.dagster_home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    os.environ.setdefault("PYTHONUTF8", "1")  # for the processes that this one starts
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    pin_threads()
    return settings


def _copy_if_changed(file: Path, copy: Path) -> None:
    """Copy a small file atomically, because services read the copy, and a full disk would leave it empty."""
    content = file.read_bytes()
    if not copy.exists() or copy.read_bytes() != content:
        write_atomic(copy, content)


def pin_threads() -> None:
    """Let a model use one OpenMP thread, unless the environment sets a number. Call this before a model is loaded.

    Threads of several processes that wait for each other make fits and predictions several times slower.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _profile(environment: Mapping[str, str]) -> Profile:
    name = environment.get("SIXTYFORTY_PROFILE", "embedded")
    for profile in get_args(Profile):
        if name == profile:
            return profile
    raise SettingsError(f"SIXTYFORTY_PROFILE is '{name}'. Set it to embedded, production or cluster.")


def _home(environment: Mapping[str, str]) -> Path:
    """Return the home. Refuse one that the addresses of SQLite databases can't name: they end at a question mark."""
    folder = environment.get("SIXTYFORTY_HOME")
    if not folder and IS_WHEEL:
        raise SettingsError("SIXTYFORTY_HOME is not set. Set it to a folder for the data, outside of the environment.")
    home = Path(folder or ROOT).resolve()
    if "?" in str(home):
        raise SettingsError(
            f"The home {home} has a question mark in its path, which the addresses of its databases can't hold."
            " Rename the folder, or set SIXTYFORTY_HOME to another one."
        )
    return home


def _web_address(environment: Mapping[str, str], variable: str) -> str | None:
    url = environment.get(variable) or None
    if url and not url.startswith(("https://", "http://")):
        raise SettingsError(f"{variable} is not a web address. Write one such as https://desk.example.")
    return url


def _backup_hours(environment: Mapping[str, str], default: float | None) -> float | None:
    text = environment.get("SIXTYFORTY_BACKUP_HOURS")
    if not text:
        return default
    if not text.isdecimal() or not int(text):
        raise SettingsError("SIXTYFORTY_BACKUP_HOURS is not a number of hours. Write a whole number such as 30.")
    return float(text)


def _log_format(environment: Mapping[str, str]) -> LogFormat:
    name = environment.get("SIXTYFORTY_LOG_FORMAT") or "text"
    for log_format in get_args(LogFormat):
        if name == log_format:
            return log_format
    raise SettingsError(f"SIXTYFORTY_LOG_FORMAT is '{name}'. Set it to text or json.")


def _pages_hosts(environment: Mapping[str, str]) -> tuple[str, ...]:
    names = [name.strip() for name in environment.get("SIXTYFORTY_PAGES_HOSTS", "").split(",")]
    hosts = tuple(name.lower() for name in names if name)
    if not all(HOST_NAME.fullmatch(host) for host in hosts):
        raise SettingsError(
            "SIXTYFORTY_PAGES_HOSTS is not a list of host names. Write names without port and https://, such as"
            " sixtyforty.example,ops.example."
        )
    return hosts


def _provider(environment: Mapping[str, str]) -> ProviderSettings | None:
    if not environment.get("SIXTYFORTY_OIDC_ISSUER"):
        return None
    from desk.oidc_settings import read_provider

    return read_provider(environment)


def _address_days(environment: Mapping[str, str]) -> int:
    text = environment.get("SIXTYFORTY_ADDRESS_DAYS") or str(DEFAULT_ADDRESS_DAYS)
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text, re.ASCII):
        raise SettingsError("SIXTYFORTY_ADDRESS_DAYS is not a number of days from 1 to 9999.")
    return int(text)


def _with_driver(url: str) -> str:
    """Return a PostgreSQL URL with the driver psycopg2, and any other URL unchanged.

    The driver is explicit because SQLAlchemy's default for `postgresql://` depends on its version.
    """
    scheme, separator, rest = url.partition("://")
    return DRIVER + rest if separator and scheme in ("postgres", "postgresql") else url


def _check_database(profile: str, url: str) -> None:
    if not url:
        raise SettingsError(
            f"SIXTYFORTY_PROFILE is {profile} but SIXTYFORTY_DATABASE_URL is not set."
            f" Set it to a URL that starts with {DRIVER}."
        )
    if not url.startswith(DRIVER):
        raise SettingsError(
            f"SIXTYFORTY_DATABASE_URL is not a PostgreSQL address, which the profile {profile} needs."
            f" Set it to a URL that starts with {DRIVER}."
        )


def _check_cluster(settings: Settings) -> None:
    if not settings.broker_url:
        raise SettingsError(
            "SIXTYFORTY_PROFILE is cluster but SIXTYFORTY_BROKER_URL is not set. Set it to an address such as"
            " redis://host."
        )
    if isinstance(settings.lake, Path):
        raise SettingsError(
            "SIXTYFORTY_PROFILE is cluster but SIXTYFORTY_LAKE is a folder, which other machines can't see."
            " Set it to s3://bucket/prefix."
        )
