"""Where a use case's things lie: one place that knows the folders, so that nothing else does.

<home>/data/landing/<use case>/     extracts, as they come
<home>/data/lake/<use case>/        raw, validated, features, outcomes, decisions, kpi, … (or wherever the lake is)
<home>/data/models/<use case>/      model versions, the ledgers of champions, rollout, stages and training
<home>/data/deliveries/<use case>/  decisions as files, for those who use them
<home>/data/reports/<use case>/     impact report, model record, Data Docs
<home>/data/cache/<use case>/       what was read of a lake in an object store; what was gathered from manifests
<home>/data/alerts/<use case>.jsonl which alerts were told to whom; digests/ alike
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sixtyforty.ingest.landing_zone import Landing
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import ChampionLedger
from sixtyforty.storage.files import digest
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.object_store import ObjectPath, StoragePath
from sixtyforty.storage.receipts import Receipts
from sixtyforty.storage.rollout_ledger import RolloutLedger
from sixtyforty.storage.stage_ledger import StageLedger

# What a decision depends on; a change elsewhere (reports, ledgers, the command line) retrains nothing.
CODE = (
    "spec/partitions",
    "ingest/locations",
    "ingest/bucket_listing",
    "ingest/database_source",
    "ingest/extract",
    "ingest/decompression",
    "ingest/extract_reader",
    "ingest/json_lines",
    "ingest/parquet_rows",
    "ingest/data_contract",
    "ingest/raw",
    "ingest/landing_zone",
    "modeling/lineage",
    "modeling/features",
    "modeling/estimators",
    "modeling/model_store",
    "value/payoffs",
    "value/policy",
    "decisions/assignment",
    "decisions/deciding",
)
GOVERNANCE = ("gx_runner", "rule_results", "row_rules", "serving_gate", "suites", "validation")


@dataclass(frozen=True)
class Workspace:
    """One use case's folders and stores below a home; `database_url` is where decisions are delivered.

    `lakes` is the folder of all use cases' lakes, by default below the home. Where that is in an object store, the
    landing zone, models, ledgers and deliveries lie there as well, in `.landing/<use case>` and so on.
    """

    use_case: UseCase
    home: Path
    database_url: str = field(repr=False)  # it may hold a password
    lakes: StoragePath | None = None

    def _shared(self, kind: str) -> StoragePath:
        """What every machine that runs the chain must see: beside a lake in an object store, else below the home."""
        return (
            self.lakes / f".{kind}" / self.use_case.name if isinstance(self.lakes, ObjectPath) else self._folder(kind)
        )

    def _folder(self, kind: str) -> Path:
        return self.home / "data" / kind / self.use_case.name

    @property
    def lake(self) -> Lake:
        """Its datasets."""
        root = self.lakes / self.use_case.name if self.lakes else self._folder("lake")
        return Lake(root, self.cache if isinstance(root, ObjectPath) else None)

    @property
    def cache(self) -> Path:
        """What can be read anew, from further away or from more files."""
        return self._folder("cache")

    @cached_property
    def landing(self) -> Landing:
        """Its landing zone."""
        return Landing(self._shared("landing"), self.lake, self.use_case, self.database_url)

    @property
    def models(self) -> ModelStore:
        """Its model versions."""
        return ModelStore(self._shared("models"))

    @property
    def champion_ledger(self) -> ChampionLedger:
        """Its champion ledger."""
        return ChampionLedger(self._shared("models") / "champion.jsonl")

    @property
    def rollout_ledger(self) -> RolloutLedger:
        """Its rollout's ledger."""
        return RolloutLedger(self._shared("models") / "rollout.jsonl")

    @property
    def stage_ledger(self) -> StageLedger:
        """Its ledger of stages."""
        return StageLedger(self._shared("models") / "stages.jsonl")

    @property
    def deliveries(self) -> StoragePath:
        """Where decisions are delivered as files."""
        return self._shared("deliveries")

    @property
    def reports(self) -> Path:
        """Where pages for people are written."""
        return self._folder("reports")

    @property
    def alert_receipts(self) -> Receipts:
        """Which alerts were told to whom."""
        return Receipts(self.home / "data" / "alerts" / f"{self.use_case.name}.jsonl")

    @property
    def digest_receipts(self) -> Receipts:
        """Which digests were sent to whom."""
        return Receipts(self.home / "data" / "digests" / f"{self.use_case.name}.jsonl")

    @cached_property
    def code_version(self) -> str:
        """Version of the code that turns extracts into decisions, and of this use case's declaration."""
        top = Path(__file__).parent
        files = [top / f"{m}.py" for m in CODE] + [top.parent / "expectations" / f"{m}.py" for m in GOVERNANCE]
        files += (top.parent / "expectations" / self.use_case.name).glob("*.yaml")
        files += [f for f in self.use_case.folder.glob("*.*") if f.suffix in (".yaml", ".sql")]
        return digest([(f.name, digest(f.read_bytes())) for f in sorted(files)])
