"""What a run needs to know beside its partitions: where things lie, and what time it is in the business."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field, PrivateAttr

from sixtyforty.spec.clock import now
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.dvc_versions import Versions
from sixtyforty.storage.object_store import Where
from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class Place:
    """Where the project's data lies; chosen once, by the profile.

    Not a ConfigurableResource: Dagster stores the configuration of those with each job and shows it on its pages,
    and the database's URL may hold a password.
    """

    home: Path  # holds `data/` and the DVC repository
    database_url: str = field(repr=False)  # SQLAlchemy's, of the database decisions are delivered to
    dvc_remote: str = field(repr=False)  # folder or URL
    lake: Where | None = None  # of all lakes; None: below the home

    def workspace(self, use_case: UseCase) -> Workspace:
        """The use case's folders and stores."""
        return Workspace(use_case, self.home, self.database_url, self.lake)

    def versions(self) -> Versions:
        """The DVC repository."""
        return Versions(self.home, self.dvc_remote, self.lake)


class BusinessTime(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The moment a run is at, and whether it lives or relives it."""

    track: Literal["replay", "live"] = Field(
        default="replay",
        description="replay: past decisions as they would have been taken then. live: decisions of today.",
    )
    as_of: str | None = Field(
        default=None, description="UTC moment (ISO) up to which decisions are due. None: replay, all; live, now."
    )

    _begun: datetime | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Stops the clock: all steps of a run live at one moment."""
        self._begun = now()

    def moment(self) -> datetime | None:
        """UTC, naive; None when everything that has landed counts."""
        if self.as_of:
            said = datetime.fromisoformat(self.as_of)
            return (said.astimezone(UTC) if said.tzinfo else said).replace(tzinfo=None)
        return None if self.track == "replay" else self._begun or now()
