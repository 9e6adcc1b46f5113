"""Define the resources of a run: the locations of the project's data, and the business clock."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from sixtyforty.spec.clock import now, parse_time
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.dvc_versions import DvcVersions
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class ProjectHome:
    """The locations of the project's data: home, database, DVC remote and lake, as the settings name them.

    This is not a ConfigurableResource, because Dagster stores and shows the configuration of such a resource, and the
    database URL may contain a password.
    """

    home: Path  # holds `data/` and the DVC repository
    database_url: str = field(repr=False)  # SQLAlchemy URL of the database that receives decisions
    dvc_remote: str = field(repr=False)  # folder or URL of the DVC remote
    lake: StoragePath | None = None  # holds the lakes of all use cases; None: a folder below the home

    def workspace(self, use_case: UseCase) -> Workspace:
        """Return the workspace of a use case: its folders and stores.

        Raises MissingDataError if the folders still have a former name of the use case.
        """
        return Workspace(use_case, self.home, self.database_url, self.lake).require_data_under_name()

    def dvc_versions(self) -> DvcVersions:
        """Return the DVC repository of the home."""
        return DvcVersions(self.home, self.dvc_remote, self.lake)


class BusinessClock(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The business time (UTC) of a run, and its track (replay or live)."""

    track: Track = Field(
        default="replay",
        description="replay: past decisions as they would have been taken at the time. live: today's decisions.",
    )
    as_of: str | None = Field(
        default=None,
        description="UTC time (ISO 8601) up to which the run reads data and takes decisions. If left out: the current"
        " time on the live track, and no limit in a replay.",
    )

    rebuild_replay_from: str | None = Field(
        default=None,
        description="First partition of the replay to recalculate with today's declaration. The replay's champions are"
        " judged again, and its decisions, reviews, deliveries and accounts are replaced. If left out: nothing is"
        " replaced.",
    )

    _started: datetime | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Stop the clock at the start of a run, so that all its stages see the same time.

        Raises InvalidTimeError before any stage runs if `as_of` is not a time.
        """
        self._started = now()
        self.time_limit()

    def time_limit(self) -> datetime | None:
        """Return the UTC time (naive) up to which data and decisions count, or None in a replay without `as_of`.

        Times with a UTC offset are converted to UTC. Times without an offset are read as UTC. Raises InvalidTimeError.
        """
        if self.as_of:
            return parse_time(self.as_of, "as_of")
        return None if self.track == "replay" else self._started or now()

    def current_time(self) -> datetime:
        """Return the time limit of the run or, in a replay without a limit, the current business time (UTC, naive)."""
        return self.time_limit() or now()
