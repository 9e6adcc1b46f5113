"""Where the project runs: chosen once, from the environment. The one place that reads it.

SIXTYFORTY_PROFILE       embedded (default) or production
SIXTYFORTY_HOME          folder that holds data/; default: the project's root
SIXTYFORTY_DATABASE_URL  where decisions are delivered, and Dagster's storage in production
SIXTYFORTY_DVC_REMOTE    folder or URL of the DVC remote; default: data/dvc/remote
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Profile:
    """The settings of this process."""

    name: Literal["embedded", "production"]
    home: Path
    database_url: str
    dvc_remote: str

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME: configuration, logs and, embedded, the storage."""
        return self.home / "data" / "dagster"


class ProfileError(ValueError):
    """A setting is missing or wrong."""


def profile() -> Profile:
    """Reads the settings. Raises ProfileError naming the variable."""
    name = os.environ.get("SIXTYFORTY_PROFILE", "embedded")
    home = Path(os.environ.get("SIXTYFORTY_HOME") or ROOT).resolve()
    url = os.environ.get("SIXTYFORTY_DATABASE_URL")
    remote = os.environ.get("SIXTYFORTY_DVC_REMOTE") or str(home / "data" / "dvc" / "remote")
    if name == "embedded":
        return Profile("embedded", home, url or f"sqlite:///{home / 'data' / 'deliveries.sqlite'}", remote)
    if name != "production":
        raise ProfileError(f"SIXTYFORTY_PROFILE is '{name}'; it can be embedded or production")
    if not url:
        raise ProfileError("SIXTYFORTY_PROFILE=production needs SIXTYFORTY_DATABASE_URL (postgresql+psycopg2://…)")
    return Profile("production", home, url, remote)


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
