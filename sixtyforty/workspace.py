"""Where the files and stores of one use case are: the only module that knows the folders.

<home>/data/landing/<use case>/      extracts, as delivered
<home>/data/lake/<use case>/         raw, validated, features, outcomes, decisions, kpi, … (or where the lake is)
<home>/data/models/<use case>/       model versions, and the ledgers of champions, rollout, stages and training
<home>/data/deliveries/<use case>/   decisions as files, for other systems
<home>/data/reports/<use case>/      impact report, model record, data docs
<home>/data/cache/<use case>/        files that can be fetched or computed again
<home>/data/alerts/<use case>.jsonl  receipts of alerts
<home>/data/digests/<use case>.jsonl receipts of digests
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.code_version import code_version
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.storage.champion_ledger import ChampionLedger
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.object_store import ObjectPath, StoragePath
from sixtyforty.storage.rollout_ledger import RolloutLedger
from sixtyforty.storage.stage_ledger import StageLedger

if TYPE_CHECKING:  # decisions read only the base class of a use case, so the code version leaves this module out
    from sixtyforty.spec.use_case import UseCase


@dataclass(frozen=True)
class Workspace:
    """The folders and stores of one use case below a home.

    `database_url` is the database to which decisions are delivered. `lakes` is the folder of all lakes, by default
    below the home. If it is in an object store, the landing zone, models, ledgers and deliveries are there too, in
    `.landing/<use case>` and so on, so that every machine sees them.
    """

    use_case: UseCase
    home: Path
    database_url: str = field(repr=False)  # it may hold a password
    lakes: StoragePath | None = None

    def _shared(self, kind: str) -> StoragePath:
        """Return a folder that every machine of the chain must see."""
        if isinstance(self.lakes, ObjectPath):
            return self.lakes / f".{kind}" / self.use_case.name
        return self._folder(kind)

    def _folder(self, kind: str) -> Path:
        return self.home / "data" / kind / self.use_case.name

    @property
    def lake(self) -> Lake:
        """The datasets of the use case."""
        root = self.lakes / self.use_case.name if self.lakes else self._folder("lake")
        return Lake(root, self.cache if isinstance(root, ObjectPath) else None)

    @property
    def cache(self) -> Path:
        """The folder of files that can be fetched or computed again."""
        return self._folder("cache")

    @cached_property
    def landing(self) -> LandingZone:
        """The landing zone of the extracts."""
        return LandingZone(self._shared("landing"), self.lake, self.use_case, self.database_url)

    @property
    def models(self) -> ModelStore:
        """The model versions."""
        return ModelStore(self._shared("models"))

    @property
    def champion_ledger(self) -> ChampionLedger:
        """The verdicts on challengers, and so the champions."""
        return ChampionLedger(self._shared("models") / "champion.jsonl")

    @property
    def rollout_ledger(self) -> RolloutLedger:
        """The steps of the rollout."""
        return RolloutLedger(self._shared("models") / "rollout.jsonl")

    @property
    def stage_ledger(self) -> StageLedger:
        """The stages, and the verdicts of their gates."""
        return StageLedger(self._shared("models") / "stages.jsonl")

    @property
    def deliveries(self) -> StoragePath:
        """The folder to which decisions are delivered as files."""
        return self._shared("deliveries")

    @property
    def reports(self) -> Path:
        """The folder of pages for people."""
        return self._folder("reports")

    @property
    def alert_receipts(self) -> Path:
        """The file with the receipts of alerts: which were sent, and to which addresses."""
        return self.home / "data" / "alerts" / f"{self.use_case.name}.jsonl"

    @property
    def digest_receipts(self) -> Path:
        """The file with the receipts of digests: which were sent, and to which addresses."""
        return self.home / "data" / "digests" / f"{self.use_case.name}.jsonl"

    @cached_property
    def code_version(self) -> str:
        """Version of the code that turns extracts into decisions, with this declaration and the libraries."""
        cache_file = self.home / "data" / "cache" / "code_version.json"
        return code_version(self.use_case.name, self.use_case.folder, cache_file)
