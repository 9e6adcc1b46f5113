"""Define the types of a chain stage: its entry in the table of stages, its function's input, and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

import dagster as dg

from assets.metadata import Metadata
from assets.resources import BusinessClock, ProjectHome
from sixtyforty.decisions.due_decisions import partitions_to_decide
from sixtyforty.ingest.upstream_state import NO_UPSTREAM, UpstreamState
from sixtyforty.progress import begin_work
from sixtyforty.spec.partitions import SNAPSHOT, chunks
from sixtyforty.spec.sources import Source
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.restatement import restated_by
from sixtyforty.workspace import Workspace

Phase = Literal["data_understanding", "data_preparation", "modeling", "evaluation", "deployment"]
T = TypeVar("T")

# Metadata key of a failed check: the reason why the stage refused work. `sixtyforty run` then exits with code 1.
REFUSED = "refused"
UNDECIDED = "no decisions"  # version of a partition before the first day of the replay


@dataclass(frozen=True)
class StageCheck:
    """An asset check that a stage evaluates: one result per partition if `each_partition`, otherwise one per run."""

    name: str
    description: str
    each_partition: bool = False


@dataclass(frozen=True)
class StageColumn:
    """A column of a stage's rows. `origins` are the columns that it is read or calculated from: (stage, column).

    type: such as VARCHAR; empty if it is known only when the stage runs.
    """

    type: str
    meaning: str
    origins: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class StageTarget:
    """The use case that a stage is built for and, for a stage with one asset per source, the source's name."""

    use_case: UseCase
    source_name: str = ""

    @property
    def source(self) -> Source:
        """The declaration of the source that `source_name` names."""
        return self.use_case.sources[self.source_name]


def asset_key(use_case: str, stage: str) -> dg.AssetKey:
    """Return the key of the asset of a use case's stage: `<use case>/<stage>`."""
    return dg.AssetKey([use_case, *stage.split("/")])


PerTarget: TypeAlias = (
    Callable[[StageTarget], T] | T
)  # a field of the stage table: the same for every target, or computed from the target


def resolve(entry: PerTarget[T], target: StageTarget) -> T:
    """Return a field of the stage table for a target. If the field is a function, call it with the target."""
    return entry(target) if callable(entry) else entry


def always(_: StageTarget) -> bool:
    """Return True: the stage is built for every use case or, with one asset per source, for every source."""
    return True


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One entry of the stage table. `inputs` names the stages of the same use case that run before this stage."""

    name: str
    run: Callable[[StageRun], StageResult]
    description: PerTarget[str]
    phase: Phase
    kinds: PerTarget[set[str]]
    inputs: PerTarget[Sequence[str]]
    upstream: PerTarget[Sequence[str]] = ()  # keys of assets outside of the use case
    checks: PerTarget[Sequence[StageCheck]] = ()
    columns: PerTarget[Mapping[str, StageColumn]] = field(default_factory=dict)  # by name
    links: PerTarget[Mapping[str, str]] = field(default_factory=dict)  # addresses of pages about the stage, by label
    partitioned: PerTarget[bool] = True
    pool: str | None = None
    holds_decisions: bool = False  # its partitions start with the first day of the replay
    is_due_each_partition: bool = False  # Dagster shows whether the asset is fresh, if it has partitions
    each_source: bool = False  # one asset per source, `<name>/<source>`
    runs_last: bool = False  # nothing waits for it: in a run, its step starts when no other step can
    for_drafts: bool = False  # also built while a declaration has TODO fields
    applies: Callable[[StageTarget], bool] = always

    def targets(self, use_case: UseCase) -> list[StageTarget]:
        """Return the targets of this stage in a use case: the use case or, with one asset per source, each source.

        The list leaves out each target for which `applies` returns False, so it may be empty.
        """
        sources = use_case.sources if self.each_source else [""]
        return [target for target in (StageTarget(use_case, name) for name in sources) if self.applies(target)]


@dataclass(frozen=True)
class StageRun:
    """The input of a stage's function: use case, stores, clock, log, and the partitions to process."""

    use_case: UseCase
    ws: Workspace
    project_home: ProjectHome
    clock: BusinessClock
    partitions: list[str]  # to process; the single item SNAPSHOT for a stage without partitions
    log: Any
    source: str = ""  # name of the source, for a stage with one asset per source
    load_use_cases: Callable[[], Sequence[UseCase]] = tuple  # function that returns all use cases, including drafts
    run_id: str = field(default="", kw_only=True)
    upstream: UpstreamState = field(default=NO_UPSTREAM, kw_only=True)  # of the source that the stage imports

    @property
    def track(self) -> Track:
        """The track of the run: replay or live."""
        return self.clock.track

    @property
    def rebuilds_replay(self) -> bool:
        """Whether the run recalculates decisions of the replay. Live decisions are never recalculated."""
        return self.track == "replay" and self.clock.rebuild_replay_from is not None

    def partition_groups(self) -> Iterator[list[str]]:
        """Yield the run's partitions in groups of bounded size. Log the progress if there is more than one group."""
        groups = chunks(self.partitions)
        with begin_work("", "partition", len(self.partitions)) as work:
            for group in groups:
                work.enter("", len(group))
                yield group
                work.advance(len(group))
                if len(groups) > 1:
                    self.log.info(f"progress: {work.describe()}")


@dataclass
class PublishedPartition:
    """A partition that a stage published: its version, and the metadata that Dagster's pages show."""

    version: str
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True)
class RejectedPartition:
    """A partition that a stage rejected: the reason in words, and the metadata that Dagster's pages show."""

    reason: str
    metadata: Metadata = field(default_factory=dict)


@dataclass
class CheckResult:
    """The result of a check on one partition, or on the run if `partition` is None. `warn`: a failure is a warning."""

    name: str
    passed: bool
    metadata: Metadata = field(default_factory=dict)
    partition: str | None = None
    warn: bool = False
    description: str | None = None


def refusal_check(name: str, reasons: Sequence[str], sound: str) -> CheckResult:
    """Return the result of a check that fails if `reasons` has any item. sound: the description if it passes."""
    why = "; ".join(dict.fromkeys(reasons))
    return CheckResult(name, not reasons, {REFUSED: why} if reasons else {}, description=why or sound)


@dataclass
class StageResult:
    """The result of a stage.

    `published` maps each partition that the stage published to its version and metadata. `rejected` maps each partition
    that it rejected to the reason. A stage without partitions uses the key SNAPSHOT.
    """

    published: dict[str, PublishedPartition] = field(default_factory=dict)
    checks: list[CheckResult] = field(default_factory=list)
    rejected: dict[str, RejectedPartition] = field(default_factory=dict, kw_only=True)

    @classmethod
    def snapshot(cls, version: str, metadata: Metadata, checks: Sequence[CheckResult] = ()) -> StageResult:
        """Return the result of a stage that has no partitions: a single version with its metadata."""
        return cls({SNAPSHOT: PublishedPartition(version, metadata)}, list(checks))

    def note_restatement(self, run: StageRun, before: Entry | None, entry: Entry) -> None:
        """Add the cause of a restatement to a partition's metadata, if rows were restated after the partition ended."""
        reason = restated_by(run.use_case, before, entry, run.clock.time_limit())
        if reason:
            self.published[entry.partition].metadata["restated by"] = reason

    def note_undecided(self, run: StageRun) -> None:
        """Publish each partition before the first day of the replay as empty. Dagster would show it as missing."""
        decided = set(partitions_to_decide(run.ws, run.track, run.partitions))
        why = f"The replay decides nothing before its first day, {run.use_case.replay.first_day}."
        for partition in run.partitions:
            if partition not in decided and partition not in self.published:
                metadata: Metadata = {"dagster/partition_row_count": 0, "why it is empty": why}
                self.published[partition] = PublishedPartition(UNDECIDED, metadata)

    @property
    def newest_metadata(self) -> Metadata:
        """The metadata of the newest published partition, which people open first. Empty if none was published."""
        return self.published[max(self.published)].metadata if self.published else {}
