"""One way to make a stage an asset, and the one place that touches Dagster's event machinery.

A step works through its whole range in one process. Dagster would then mark every partition of the range
materialized, or, were nothing yielded, skip everything downstream. Neither is true when one day of a year is
rejected. So a stage says which partitions it published, each with its own data version and metadata; only those
become materializations, and the step's output, which carries no event of its own, lets the rest of the range go on.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as NO_EVENT
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, DagsterEventType, generate_event_batch_id

from assets.resources import BusinessTime, Place
from sixtyforty.spec.partitions import HOURS, SNAPSHOT, Timed, chunks
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Entry
from sixtyforty.storage.restatement import restated_by
from sixtyforty.workspace import Workspace

# a preview, as Dagster would say at each start: its version is pinned, and tests hold what it does
warnings.filterwarnings("ignore", "Specifying a partitions_def on an AssetCheckSpec", dg.PreviewWarning)

Phase = Literal["data_understanding", "data_preparation", "modeling", "evaluation", "deployment"]


@dataclass
class Published:
    """A partition now in force: its version, and what people would want to see of it."""

    version: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class Check:
    """The result of a named check, on one partition or, with none, on the run."""

    name: str
    passed: bool
    metadata: dict[str, Any] = field(default_factory=dict)
    partition: str | None = None
    warn: bool = False
    description: str | None = None


@dataclass
class Result:
    """What a step did. `published` maps partition keys (SNAPSHOT for an asset without) to what is in force."""

    published: dict[str, Published] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    def restate(self, case: UseCase, before: Entry | None, entry: Entry, moment: datetime | None) -> None:
        """Tells of a partition whose day had closed that it is different now, and which of its inputs are."""
        reason = restated_by(case, before, entry, moment)
        if reason:
            self.published[entry.partition].metadata["restated"] = reason

    def add(self, other: "Result") -> None:
        """Takes in what a further chunk did."""
        self.published |= other.published
        self.checks += other.checks


@dataclass
class Step:
    """What a stage's function gets."""

    use_case: UseCase
    ws: Workspace
    place: Place
    clock: BusinessTime
    partitions: list[str]
    log: Any

    def chunks(self) -> Iterator[list[str]]:
        """The partitions in bounded portions, with a line of progress for each of several."""
        portions = chunks(self.partitions)
        for portion in portions:
            yield portion
            if len(portions) > 1:
                self.log.info(f"done up to {portion[-1]}")


@dataclass(frozen=True)
class CheckSpec:
    """A check a stage evaluates; `each`: on every partition."""

    name: str
    description: str
    each: bool = False


def partitions_def(case: Timed) -> dg.TimeWindowPartitionsDefinition:
    """Its partitions: `ahead` of the present one while it runs, up to its end (which Dagster leaves out) if any."""
    every, (first, last) = case.partitions.every, case.limits
    common: dict[str, Any] = {
        "start_date": first,
        "end_date": case.shift(last, 1) if case.partitions.end else None,
        "end_offset": case.partitions.partitions_ahead,
        "timezone": "UTC" if every == "hour" else case.timezone,
    }
    match every:
        case "hour":
            return dg.HourlyPartitionsDefinition(fmt=HOURS, minute_offset=case.opens(first).minute, **common)
        case "week":
            sunday_first = case.day_of(first).isoweekday() % 7
            return dg.WeeklyPartitionsDefinition(day_offset=sunday_first, **common)
        case "month":
            return dg.MonthlyPartitionsDefinition(**common)
        case _:
            return dg.DailyPartitionsDefinition(**common)


# What every asset's step takes and yields, once for all: `@dg.asset` would look it up in its function's signature for
# each, which took two fifths of the time that definitions take to load.
RESOURCES = {"place", "clock"}
UPSTREAM, OUTPUT, CHECKED = dg.In(dg.Nothing), dg.Out(dg.Nothing, is_required=False), dg.Out(None)


def stage(
    use_case: UseCase,
    name: str,
    run: Callable[[Step], Result],
    *,
    description: str,
    phase: Phase,
    kinds: set[str],
    deps: Sequence[str] = (),
    partitioned: bool = True,
    checks: Sequence[CheckSpec] = (),
    columns: Mapping[str, str] | None = None,
    pool: str | None = None,
) -> dg.AssetsDefinition:
    """The asset `<use case>/<name>`: `run` does the work, this does the wiring."""
    key = dg.AssetKey([use_case.name, *name.split("/")])
    parts = partitions_def(use_case) if partitioned else None
    specs = [
        dg.AssetCheckSpec(c.name, asset=key, description=c.description, partitions_def=parts if c.each else None)
        for c in checks
    ]
    judged = {s.get_python_identifier(): s for s in specs}
    upstream = {k.to_python_identifier(): k for k in (dg.AssetKey([use_case.name, *d.split("/")]) for d in deps)}
    metadata: dict[str, Any] = {}
    if columns:
        metadata["dagster/column_schema"] = dg.TableSchema([dg.TableColumn(n, t) for n, t in columns.items()])

    def compute(context: dg.AssetExecutionContext, _: object) -> Iterator[Any]:
        place: Place = context.resources.place
        clock: BusinessTime = context.resources.clock
        wanted = list(context.partition_keys) if parts else [SNAPSHOT]
        result = run(Step(use_case, place.workspace(use_case), place, clock, wanted, context.log))
        _materialized(context, key, result.published, bool(parts))
        _evaluated(context, key, result.checks)
        for output in judged:
            yield dg.Output(None, output_name=output)
        yield dg.Output(None, metadata={NO_EVENT: True})

    return dg.AssetsDefinition(
        node_def=dg.OpDefinition(
            compute,
            key.to_python_identifier(),
            ins=dict.fromkeys(upstream, UPSTREAM),
            outs={"result": OUTPUT} | dict.fromkeys(judged, CHECKED),
            description=description,
            required_resource_keys=RESOURCES,
            pool=pool,
        ),
        keys_by_input_name=upstream,
        keys_by_output_name={"result": key},
        check_specs_by_output_name=judged,
        specs=[
            dg.AssetSpec(
                key,
                # all of a partitioned stage's partitions feed an unpartitioned one, and the same ones a partitioned one
                deps=list(upstream.values()),
                partitions_def=parts,
                group_name=use_case.name,
                owners=[use_case.owner],
                tags={"crisp_dm": phase},
                kinds=kinds,
                description=description,
                metadata=metadata,
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run() if parts else None,
    )


def _materialized(
    context: dg.AssetExecutionContext, key: dg.AssetKey, published: Mapping[str, Published], partitioned: bool
) -> None:
    step, last = context.get_step_execution_context(), len(published) - 1
    batch = generate_event_batch_id()
    for number, (partition, one) in enumerate(sorted(published.items())):
        event = dg.AssetMaterialization(
            key,
            partition=partition if partitioned else None,
            metadata=one.metadata,
            tags={"dagster/data_version": one.version},
        )
        DagsterEvent.asset_materialization(step, event, DagsterEventBatchMetadata(batch, number == last))


def _evaluated(context: dg.AssetExecutionContext, key: dg.AssetKey, checks: Sequence[Check]) -> None:
    step, last = context.get_step_execution_context(), len(checks) - 1
    batch = generate_event_batch_id() if getattr(context.instance.event_log_storage, "batches_checks", False) else None
    for number, c in enumerate(checks):
        event = dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=c.name,
            passed=c.passed,
            metadata={k: dg.MetadataValue.text(v) if isinstance(v, str) else v for k, v in c.metadata.items()},
            severity=dg.AssetCheckSeverity.WARN if c.warn else dg.AssetCheckSeverity.ERROR,
            description=c.description,
            partition=c.partition,
        )
        DagsterEvent.from_step(
            DagsterEventType.ASSET_CHECK_EVALUATION,
            step,
            event,
            f"Asset check '{c.name}' on '{key.to_user_string()}' {'passed' if c.passed else 'did not pass'}."
            + (f" Description: '{c.description}'" if c.description else ""),
            DagsterEventBatchMetadata(batch, number == last) if batch else None,
        )
