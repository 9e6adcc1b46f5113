"""The folders and stores of one use case. No other module knows where they are.

The home folder has a folder `data` with these folders and files:

- `landing/<use case>/`: extracts, as delivered
- `lake/<use case>/`: the datasets raw, validated, features, outcomes, decisions, kpi, …; the lake may also be elsewhere
- `models/<use case>/`: model versions, and the ledgers of champions, rollout, stages, training and
  refutations
- `deliveries/<use case>/`: decisions as files, for other systems
- `reports/<use case>/`: impact report, model record, data docs
- `cache/<use case>/`: copies of files, and results that can be computed again
- `alerts/<use case>.jsonl`: receipts of alerts
- `digests/<use case>.jsonl`: receipts of digests
- `recipe/<use case>/`: the inputs and outputs of DVC's recipe
- `reads/<use case>.json`: the last day on which anybody opened each output, such as a report, on the desk
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sixtyforty.code_version import code_version
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.champion_ledger import ChampionLedger
from sixtyforty.storage.exactness_ledger import ExactnessLedger
from sixtyforty.storage.hash_chain import HashChain
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.ledger_anchors import LedgerAnchors
from sixtyforty.storage.moving import path_exists
from sixtyforty.storage.object_store import ObjectPath, StoragePath
from sixtyforty.storage.rollout_ledger import RolloutLedger
from sixtyforty.storage.stage_ledger import StageLedger

# Decisions depend only on DecisionChain, the base class of UseCase. The import of UseCase must not run. Otherwise a
# change of UseCase would change the code version.
if TYPE_CHECKING:
    from sixtyforty.spec.use_case import UseCase


Ledger = TypeVar("Ledger", bound=HashChain[Any])


class MissingDataError(SixtyfortyError):
    """The declaration of a use case has a new name, but the home stores the use case's data under the old name."""


def alerts_file(home: Path, use_case: str) -> Path:
    """Return the file with the receipts of a use case's alerts."""
    return home / "data" / "alerts" / f"{use_case}.jsonl"


@dataclass(frozen=True)
class Workspace:
    """The folders and stores of one use case below a home.

    - home: the folder that holds all data of an installation.
    - database_url: SQLAlchemy URL of the database to which decisions are delivered.
    - lakes: the folder or object store prefix that holds the lakes of all use cases. None: `data/lake` in the home. If
      it is in an object store, the landing zone, models, ledgers and deliveries are there too, so that every machine
      sees them. Their folders are `.landing/<use case>`, `.models/<use case>` and `.deliveries/<use case>`.
    - linked_lakes: the folders of other lakes to whose files the lake has symbolic links, as a scratch copy has.
    - refusal: why runs are refused, because a key, the time zone or the partitions were edited after data had been
      stored; empty without such an edit.
    """

    use_case: UseCase
    home: Path
    database_url: str = field(repr=False)  # the URL may hold a password, so no log shows it
    lakes: StoragePath | None = None
    refusal: str = ""
    linked_lakes: tuple[Path, ...] = ()

    def _shared(self, kind: str) -> StoragePath:
        """Return the use case's folder for files that all machines share: in the lakes' object store, or in the home.

        kind: the name of the folder, such as `landing` or `models`.
        """
        if isinstance(self.lakes, ObjectPath):
            return self.lakes / f".{kind}" / self.use_case.name
        return self._folder(kind)

    def _folder(self, kind: str) -> Path:
        return self.home / "data" / kind / self.use_case.name

    @property
    def lake(self) -> Lake:
        """The lake: all datasets of the use case."""
        root = self.lakes / self.use_case.name if self.lakes else self._folder("lake")
        return Lake(root, self.cache, self.linked_lakes)

    @property
    def cache(self) -> Path:
        """The folder for copies of files, and for results that can be computed again."""
        return self._folder("cache")

    @cached_property
    def landing(self) -> LandingZone:
        """The landing zone, where extracts arrive."""
        return LandingZone(self._shared("landing"), self.lake, self.use_case, self.database_url)

    @property
    def models(self) -> ModelStore:
        """The store of the use case's model versions."""
        return ModelStore(self._shared("models"))

    @property
    def champion_ledger(self) -> ChampionLedger:
        """The ledger of all verdicts on challengers. It determines which model is champion."""
        return ChampionLedger(
            self._shared("models") / "champion.jsonl",
            self.use_case.first_name,
            self.anchors,
            hash_version=self.models.hash_version,
        )

    @property
    def rollout_ledger(self) -> RolloutLedger:
        """The ledger of the rollout: which rollout step applies from when."""
        return self.open_ledger(RolloutLedger, "rollout.jsonl")

    @property
    def stage_ledger(self) -> StageLedger:
        """The ledger of the use case's stages and of the verdicts of their gates."""
        return self.open_ledger(StageLedger, "stages.jsonl")

    @property
    def anchors(self) -> LedgerAnchors | None:
        """The anchors of the ledgers in the delivery database; None for an archive, which has no database."""
        return LedgerAnchors(self.database_url, self.use_case.first_name) if self.database_url else None

    def open_ledger(self, ledger_type: type[Ledger], name: str) -> Ledger:
        """Return a ledger of the use case, in the folder of the champion ledger. name: its file name."""
        return ledger_type(self._shared("models") / name, self.use_case.first_name, self.anchors)

    @property
    def exactness_ledger(self) -> ExactnessLedger:
        """The ledger of refutations: whether a holdout has shown that figures aren't exact."""
        return self.open_ledger(ExactnessLedger, "exactness.jsonl")

    @property
    def deliveries(self) -> StoragePath:
        """The folder to which decisions are delivered as files."""
        return self._shared("deliveries")

    @property
    def reports(self) -> Path:
        """The folder of the use case's reports."""
        return self._folder("reports")

    @property
    def alert_receipts(self) -> Path:
        """The file with the receipts of alerts: which alert was sent to which role, or why it wasn't sent."""
        return alerts_file(self.home, self.use_case.name)

    @property
    def digest_receipts(self) -> Path:
        """The file with the receipts of digests: which digest was sent to which role, or why it wasn't sent."""
        return self.home / "data" / "digests" / f"{self.use_case.name}.jsonl"

    @cached_property
    def code_version(self) -> str:
        """The hash of the decision code, the library versions, and the use case's declaration, SQL and suites."""
        cache_file = self.home / "data" / "cache" / "code_version.json"
        return code_version(self.use_case.name, self.use_case.folder, cache_file, self.use_case.former_names)

    @property
    def readership(self) -> Path:
        """The file with the last day on which anybody opened each output, such as a report, on the desk."""
        return self.home / "data" / "reads" / f"{self.use_case.name}.json"

    @property
    def recipe(self) -> Path:
        """The folder of the files with which DVC trains the newest model again."""
        return self._folder("recipe")

    def find_data_under_former_name(self) -> str | None:
        """Return the former name under which this home still stores its data; None if it uses the current name."""
        if not self.use_case.former_names or path_exists(self.lake.root) or path_exists(self.models.root):
            return None
        former = (self.named(name) for name in reversed(self.use_case.former_names))
        return next((ws.use_case.name for ws in former if path_exists(ws.lake.root)), None)

    def require_data_under_name(self) -> Workspace:
        """Return this workspace. Raises MissingDataError if the data of this home still have a former name.

        A rename reaches other homes with the declaration, for example by git. Each home then moves its own data.
        """
        if former := self.find_data_under_former_name():
            raise MissingDataError(
                f"{former} was renamed to {self.use_case.name}, but this home stores the data under the old name. Move"
                f" the data: sixtyforty rename {former} {self.use_case.name}"
            )
        return self

    def named(self, name: str) -> Workspace:
        """Return the workspace of the same use case under another name."""
        return replace(self, use_case=self.use_case.model_copy(update={"name": name}))

    def owned_paths(self) -> dict[str, StoragePath]:
        """Return every file and folder whose path holds the name of the use case, by a short label.

        If the lakes are in an object store, DVC has copies of lake and models in the home, which are listed too.
        """
        shared: dict[str, StoragePath] = {
            "landing": self._shared("landing"),
            "lake": self.lake.root,
            "models": self._shared("models"),
            "deliveries": self.deliveries,
        }
        copies = {f"{kind}_copy": self._folder(kind) for kind in ("lake", "models")}
        local: dict[str, StoragePath] = {
            "reports": self.reports,
            "cache": self.cache,
            "recipe": self.recipe,
            "alerts": self.alert_receipts,
            "digests": self.digest_receipts,
            "reads": self.readership,
        }
        separate_copies = {label: path for label, path in copies.items() if path not in shared.values()}
        return {**shared, **separate_copies, **local}
