"""Where the project runs: chosen once, from the environment. The one place that reads it.

SIXTYFORTY_PROFILE       embedded (default), production, or cluster: as production, on several machines
SIXTYFORTY_HOME          folder that holds data/; default: the project's root
SIXTYFORTY_DATABASE_URL  where decisions are delivered, and Dagster's storage in production
SIXTYFORTY_LAKE          folder of the lake, or s3://bucket/prefix; default: data/lake
SIXTYFORTY_BROKER_URL    Celery's broker, from which the workers of a cluster take their runs
SIXTYFORTY_DVC_REMOTE    folder or URL of the DVC remote; default: data/dvc/remote
SIXTYFORTY_DESK_URL      where people reach the desk, if that is behind a proxy; default: where it listens
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sixtyforty.storage.object_store import Where, located

ROOT = Path(__file__).resolve().parents[1]
DRIVER = "postgresql+psycopg2://"


@dataclass(frozen=True)
class Profile:
    """The settings of this process."""

    name: Literal["embedded", "production", "cluster"]
    home: Path
    lake: Where
    database_url: str = field(repr=False)  # it may hold a password
    dvc_remote: str = field(repr=False)
    desk_url: str | None = None
    broker_url: str = field(default="", repr=False)

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME: configuration, logs and, embedded, the storage."""
        return self.home / "data" / "dagster"


class ProfileError(ValueError):
    """A setting is missing or wrong."""


def profile() -> Profile:
    """Reads the settings. Raises ProfileError naming the variable, never telling its value: it may be secret."""
    name = os.environ.get("SIXTYFORTY_PROFILE", "embedded")
    home = Path(os.environ.get("SIXTYFORTY_HOME") or ROOT).resolve()
    url = _with_driver(os.environ.get("SIXTYFORTY_DATABASE_URL"))
    lakes = os.environ.get("SIXTYFORTY_LAKE") or str(home / "data" / "lake")
    lake = located(lakes, url if url and url.startswith(DRIVER) else "")
    desk = os.environ.get("SIXTYFORTY_DESK_URL") or None
    if desk and not desk.startswith(("https://", "http://")):
        raise ProfileError("SIXTYFORTY_DESK_URL is no address such as https://desk.example")
    remote = os.environ.get("SIXTYFORTY_DVC_REMOTE") or str(home / "data" / "dvc" / "remote")
    if name == "embedded":
        return Profile("embedded", home, lake, url or f"sqlite:///{home / 'data' / 'deliveries.sqlite'}", remote, desk)
    if name not in ("production", "cluster"):
        raise ProfileError(f"SIXTYFORTY_PROFILE is '{name}'; it can be embedded, production or cluster")
    if not url:
        raise ProfileError(f"SIXTYFORTY_PROFILE={name} needs SIXTYFORTY_DATABASE_URL (postgresql+psycopg2://…)")
    if not url.startswith(DRIVER):
        raise ProfileError(f"SIXTYFORTY_DATABASE_URL is no PostgreSQL (postgresql+psycopg2://…), as {name} needs")
    if name == "production":
        return Profile("production", home, lake, url, remote, desk)
    broker = os.environ.get("SIXTYFORTY_BROKER_URL")
    if not broker:
        raise ProfileError("SIXTYFORTY_PROFILE=cluster needs SIXTYFORTY_BROKER_URL (such as redis://host)")
    if isinstance(lake, Path):
        raise ProfileError("SIXTYFORTY_PROFILE=cluster needs a SIXTYFORTY_LAKE that all see (s3://bucket/prefix)")
    return Profile("cluster", home, lake, url, remote, desk, broker)


def _with_driver(url: str | None) -> str | None:
    """Names the driver that is installed: what `postgresql://` means by default changes with SQLAlchemy."""
    scheme, colon, rest = (url or "").partition("://")
    return DRIVER + rest if colon and scheme in ("postgres", "postgresql") else url


def prepare() -> Profile:
    """Makes DAGSTER_HOME ready, once, before any service starts, and names it in the environment."""
    chosen = profile()
    chosen.dagster_home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "dagster.yaml", chosen.dagster_home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(chosen.dagster_home)
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return chosen
