"""Define what a stage is: its entry in the table, what its function receives, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from assets.metadata import Metadata
from assets.resources import BusinessClock, ProjectHome
from sixtyforty.spec.partitions import SNAPSHOT, chunks
from sixtyforty.spec.sources import Source
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.restatement import restated_by
from sixtyforty.workspace import Workspace

Phase = Literal["data_understanding", "data_preparation", "modeling", "evaluation", "deployment"]
T = TypeVar("T")

# Metadata of a failed check: the reason why something is refused. `sixtyforty run` then exits with 1.
REFUSED = "refused"


@dataclass(frozen=True)
class StageCheck:
    """An asset check that a stage evaluates. `each_partition`: one result a partition, else one a run."""

    name: str
    description: str
    each_partition: bool = False


@dataclass(frozen=True)
class StageTarget:
    """What a stage is built for: a use case and, for a stage of each source, the source's name."""

    use_case: UseCase
    source_name: str = ""

    @property
    def source(self) -> Source:
        """The declared source."""
        return self.use_case.sources[self.source_name]


PerTarget: TypeAlias = (
    Callable[[StageTarget], T] | T
)  # a field of the table: the same for every target, or computed from it


def resolve(entry: PerTarget[T], target: StageTarget) -> T:
    """Return the value of a field of the table for a target."""
    return entry(target) if callable(entry) else entry


def always(_: StageTarget) -> bool:
    """Apply a stage to every use case."""
    return True


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One entry of the table of stages. `inputs` names the stages of the same use case that run before it."""

    name: str
    run: Callable[[StageRun], StageResult]
    description: PerTarget[str]
    phase: Phase
    kinds: PerTarget[set[str]]
    inputs: PerTarget[Sequence[str]]
    checks: PerTarget[Sequence[StageCheck]] = ()
    columns: PerTarget[Mapping[str, str]] = field(default_factory=dict)  # name: type or meaning
    partitioned: PerTarget[bool] = True
    pool: str | None = None
    each_source: bool = False  # one asset a source, `<name>/<source>`
    for_drafts: bool = False  # also runs while a declaration has blanks
    applies: Callable[[StageTarget], bool] = always

    def targets(self, use_case: UseCase) -> list[StageTarget]:
        """Return the targets of the stage in a use case. The list is empty if the stage doesn't apply."""
        sources = use_case.sources if self.each_source else [""]
        return [target for target in (StageTarget(use_case, name) for name in sources) if self.applies(target)]


@dataclass(frozen=True)
class StageRun:
    """What a stage's function receives."""

    use_case: UseCase
    ws: Workspace
    project_home: ProjectHome
    clock: BusinessClock
    partitions: list[str]  # SNAPSHOT alone for a stage without partitions
    log: Any
    source: str = ""  # of a stage of each source
    load_use_cases: Callable[[], Sequence[UseCase]] = tuple  # all use cases of the project, drafts among them

    @property
    def track(self) -> Track:
        """The track of decisions that the run works on."""
        return self.clock.track

    @property
    def rebuilds_replay(self) -> bool:
        """Whether the run makes decisions of the replay again. Live decisions are history."""
        return self.track == "replay" and self.clock.rebuild_replay_from is not None

    def portions(self) -> Iterator[list[str]]:
        """Yield the partitions in portions of bounded size, and log the progress where there are several."""
        portions = chunks(self.partitions)
        for number, portion in enumerate(portions, 1):
            yield portion
            if len(portions) > 1:
                self.log.info(f"progress: done up to {portion[-1]} (portion {number} of {len(portions)})")


@dataclass
class PublishedPartition:
    """A partition that is now in force: its version, and the metadata that Dagster shows of it."""

    version: str
    metadata: Metadata = field(default_factory=dict)


@dataclass
class CheckResult:
    """The result of a check on one partition or, without one, on the whole run. `warn`: a failure is a warning."""

    name: str
    passed: bool
    metadata: Metadata = field(default_factory=dict)
    partition: str | None = None
    warn: bool = False
    description: str | None = None


def refusal_check(name: str, reasons: Sequence[str], sound: str) -> CheckResult:
    """Return the result of a check that refuses something for these reasons; without one it passes as `sound`."""
    why = "; ".join(dict.fromkeys(reasons))
    return CheckResult(name, not reasons, {REFUSED: why} if reasons else {}, description=why or sound)


@dataclass
class StageResult:
    """The result of a stage. `published` maps each partition that the stage published to its version and metadata.

    A stage without partitions uses the key SNAPSHOT.
    """

    published: dict[str, PublishedPartition] = field(default_factory=dict)
    checks: list[CheckResult] = field(default_factory=list)

    @classmethod
    def snapshot(cls, version: str, metadata: Metadata, checks: Sequence[CheckResult] = ()) -> StageResult:
        """Return the result of a stage without partitions."""
        return cls({SNAPSHOT: PublishedPartition(version, metadata)}, list(checks))

    def note_restatement(self, run: StageRun, before: Entry | None, entry: Entry) -> None:
        """If a partition was restated after it had closed, write the cause into its metadata."""
        reason = restated_by(run.use_case, before, entry, run.clock.time_limit())
        if reason:
            self.published[entry.partition].metadata["restated by"] = reason

    @property
    def newest_metadata(self) -> Metadata:
        """The metadata of the newest published partition, which people open first; {} without one."""
        return self.published[max(self.published)].metadata if self.published else {}
