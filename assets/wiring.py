"""Turn stages into Dagster assets.

A run processes its range of partitions in one step. Dagster would then mark every partition of the range as
materialized or, if the step yields nothing, skip every stage downstream. Both are wrong when one day of a year is
rejected. A stage therefore returns the partitions that it published, each with its data version and metadata, and the
partitions that it rejected, each with the reason. Only published partitions are recorded as materializations, and
rejected partitions are shown as failed. The step also yields an output without an event, so that the stages downstream
run.
"""

# Dagster checks the annotation of `context` as a type, so this module has no `from __future__ import annotations`.
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import dagster as dg

from assets.allowed_sql import require_allowed_sql
from assets.freshness import freshness_policy
from assets.interruptions import raise_interruptions
from assets.resources import BusinessClock, ProjectHome
from assets.stage import (
    CheckResult,
    Phase,
    PublishedPartition,
    RejectedPartition,
    Stage,
    StageCheck,
    StageColumn,
    StageResult,
    StageRun,
    StageTarget,
    asset_key,
    resolve,
)
from assets.stage_columns import describe_columns
from sixtyforty.ingest.upstream_state import NO_UPSTREAM, UpstreamState
from sixtyforty.lifecycle.fixed_parts import require_fixed_parts
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.partitions import HOUR_FORMAT, SNAPSHOT, PartitionedModel
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.damaged_files import refuse_damaged_files
from sixtyforty.storage.duckdb_session import describe_sql_error
from sixtyforty.storage.memory import VARIABLE

if TYPE_CHECKING:
    import duckdb

# At each start Dagster warns that partitions of a check are a preview feature. Dagster's version is pinned, and tests
# cover the feature.
warnings.filterwarnings("ignore", "Specifying a partitions_def on an AssetCheckSpec", dg.PreviewWarning)

# Inputs and outputs of every asset's step. The decorator `dg.asset` would derive them from each function's signature,
# which takes two fifths of the time in which the definitions load.
RESOURCES = {"project_home", "clock"}
UPSTREAM = dg.In(dg.Nothing)
OUTPUT = dg.Out(dg.Nothing, is_required=False)
CHECK_OUTPUT = dg.Out(None)
LAST = {"dagster/priority": "-1"}  # tags of a step: of the steps that can start, the one with the highest number does


class EventRecorder(Protocol):
    """Interface to write a stage's events to Dagster, implemented by `pipelines.runtime.dagster_internals`."""

    def record_materializations(
        self, context: dg.AssetExecutionContext, materializations: Sequence[dg.AssetMaterialization]
    ) -> None:
        """Store in one batch the events which say that the step has published partitions."""

    def record_rejections(self, context: dg.AssetExecutionContext, rejections: Sequence[dg.AssetObservation]) -> None:
        """Make Dagster show partitions of the step's asset as failed, each with the reason of its rejection."""

    def record_evaluations(
        self, context: dg.AssetExecutionContext, evaluations: Sequence[dg.AssetCheckEvaluation]
    ) -> None:
        """Store the check results of the step."""

    def output_without_event(self) -> dg.Output[None]:
        """Return an output that lets the next stage run. Dagster records no materialization of this output."""


@dataclass(frozen=True)
class Wiring:
    """Objects of `pipelines` that stages need: a recorder of Dagster events, and a loader of all use cases.

    read_upstream: returns the state of the assets that make a source. asset_type: the class of the assets.
    """

    recorder: EventRecorder
    load_use_cases: Callable[[], Sequence[UseCase]]
    read_upstream: Callable[[dg.DagsterInstance, Source], UpstreamState] = field(
        default=lambda _, __: NO_UPSTREAM, kw_only=True
    )
    asset_type: type[dg.AssetsDefinition] = field(default=dg.AssetsDefinition, kw_only=True)


class StageSqlError(SixtyfortyError):
    """The SQL of a declaration failed in a stage. The message shows no data, because Dagster stores it."""


def _describe_sql_failure(error: "duckdb.Error", partitions: Sequence[str]) -> str:
    """Return why the SQL of a stage failed and what to do, without any data."""
    import duckdb

    problem = describe_sql_error(error)
    if isinstance(error, duckdb.OutOfMemoryException):  # DuckDB's own cures are settings that nobody can change here
        return (
            f"the rows need more memory than {VARIABLE} allows ({problem.partition('Error: ')[2]})."
            " Set it to a larger size, such as 4GB."
        )
    return (
        f"the SQL failed ({problem}). Correct the declared SQL, or find the row: run the SQL on the data of"
        f" {partitions[0]} to {partitions[-1]}."
    )


@dataclass(frozen=True, kw_only=True)
class AssetPlan:
    """Everything from which `build_asset` builds one Dagster asset."""

    key: dg.AssetKey
    work: Callable[[dg.AssetExecutionContext, list[str]], StageResult]
    upstream: Sequence[dg.AssetKey]
    group: str
    description: str
    phase: Phase
    kinds: set[str]
    owners: Sequence[str] = ()
    checks: Sequence[StageCheck] = ()
    columns: Mapping[str, StageColumn] | None = None
    links: Mapping[str, str] | None = None
    freshness: dg.FreshnessPolicy | None = None
    partitions: dg.TimeWindowPartitionsDefinition | None = None
    pool: str | None = None
    runs_last: bool = False


def build_stage_assets(stage: Stage, use_case: UseCase, wiring: Wiring) -> list[dg.AssetsDefinition]:
    """Return the assets of a stage in a use case: one, or one per source, or none if the stage doesn't apply."""
    return [
        build_asset(_plan_asset(stage, target, wiring), wiring.recorder, wiring.asset_type)
        for target in stage.targets(use_case)
    ]


def _plan_asset(stage: Stage, target: StageTarget, wiring: Wiring) -> AssetPlan:
    use_case, external = target.use_case, resolve(stage.upstream, target)

    def work(context: dg.AssetExecutionContext, partitions: list[str]) -> StageResult:
        project_home: ProjectHome = context.resources.project_home
        clock: BusinessClock = context.resources.clock
        ws = project_home.workspace(use_case)
        require_fixed_parts(ws)
        require_allowed_sql(use_case, clock.track)
        run = StageRun(
            use_case,
            ws,
            project_home,
            clock,
            partitions,
            context.log,
            target.source_name,
            wiring.load_use_cases,
            run_id=context.run.run_id,
            upstream=wiring.read_upstream(context.instance, target.source) if external else NO_UPSTREAM,
        )
        import duckdb

        try:
            with raise_interruptions():
                stage_result = stage.run(run)
        except duckdb.Error as error:
            refuse_damaged_files(str(error))
            failure = _describe_sql_failure(error, partitions)
            raise StageSqlError(f"{use_case.name} {stage.name}: {failure}") from None
        if stage.holds_decisions:
            stage_result.note_undecided(run)
        return stage_result

    name = f"{stage.name}/{target.source_name}" if stage.each_source else stage.name
    return AssetPlan(
        key=asset_key(use_case.name, name),
        work=work,
        upstream=[
            *(asset_key(use_case.name, name) for name in resolve(stage.inputs, target)),
            *map(dg.AssetKey.from_user_string, external),
        ],
        group=_group(stage, target),
        description=resolve(stage.description, target),
        phase=stage.phase,
        kinds=resolve(stage.kinds, target),
        owners=[use_case.owner],
        checks=resolve(stage.checks, target),
        columns=resolve(stage.columns, target),
        links=resolve(stage.links, target),
        freshness=freshness_policy(target) if stage.is_due_each_partition else None,
        partitions=partitions_definition(use_case) if resolve(stage.partitioned, target) else None,
        pool=stage.pool,
        runs_last=stage.runs_last,
    )


def _group(stage: Stage, target: StageTarget) -> str:
    """Return the group of an asset, which Dagster's graph draws as a box.

    The graph names an asset by the last part of its key only. So raw and validated rows of the inputs have boxes of
    their own. Responses come after the decisions and stay with the other stages, so that boxes follow each other.
    """
    use_case = target.use_case
    return f"{use_case.name}_{stage.name}" if target.source_name in use_case.inputs else use_case.name


def partitions_definition(model: PartitionedModel) -> dg.TimeWindowPartitionsDefinition:
    """Return the Dagster partitions of a use case. Days, weeks and months are local, hours are in UTC.

    Without a declared end, the last partition is `partitions_ahead` partitions after the current one. Dagster excludes
    the partition at `end_date`, so `end_date` is one partition after the declared end.
    """
    every, (first, last) = model.partitions.every, model.limits
    common: dict[str, Any] = {
        "start_date": first,
        "end_date": model.shift(last, 1) if model.partitions.end else None,
        "end_offset": model.partitions.partitions_ahead,
        "timezone": "UTC" if every == "hour" else model.timezone,
    }
    match every:
        case "hour":
            return dg.HourlyPartitionsDefinition(fmt=HOUR_FORMAT, minute_offset=model.opens_at(first).minute, **common)
        case "week":
            days_after_sunday = model.first_day(first).isoweekday() % 7
            return dg.WeeklyPartitionsDefinition(day_offset=days_after_sunday, **common)
        case "month":
            return dg.MonthlyPartitionsDefinition(**common)
        case _:
            return dg.DailyPartitionsDefinition(**common)


def build_asset(
    plan: AssetPlan, recorder: EventRecorder, asset_type: type[dg.AssetsDefinition] = dg.AssetsDefinition
) -> dg.AssetsDefinition:
    """Return the Dagster asset that `plan` describes, as an `asset_type`.

    The asset's step calls `plan.work`, then records the published partitions and the check results.
    """
    check_specs = _check_specs(plan)
    upstream = {key.to_python_identifier(): key for key in plan.upstream}

    def compute(context: dg.AssetExecutionContext, _: object) -> Iterator[Any]:
        result = plan.work(context, list(context.partition_keys) if plan.partitions else [SNAPSHOT])
        recorder.record_materializations(context, _materializations(plan, result.published))
        recorder.record_rejections(context, _rejections(plan, result.rejected))
        recorder.record_evaluations(context, [_evaluation(plan.key, check) for check in result.checks])
        for output in check_specs:
            yield dg.Output(None, output_name=output)
        yield recorder.output_without_event()

    return asset_type(
        node_def=dg.OpDefinition(
            compute,
            plan.key.to_python_identifier(),
            ins=dict.fromkeys(upstream, UPSTREAM),
            outs={"result": OUTPUT} | dict.fromkeys(check_specs, CHECK_OUTPUT),
            description=plan.description,
            required_resource_keys=RESOURCES,
            pool=plan.pool,
            tags=LAST if plan.runs_last else None,
        ),
        keys_by_input_name=upstream,
        keys_by_output_name={"result": plan.key},
        check_specs_by_output_name=check_specs,
        specs=[_asset_spec(plan)],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )


def _asset_spec(plan: AssetPlan) -> dg.AssetSpec:
    """Return the specification of the asset, which Dagster's pages show.

    A partition depends on the same partition upstream. An asset without partitions depends on all partitions upstream.
    """
    return dg.AssetSpec(
        plan.key,
        deps=list(plan.upstream),
        partitions_def=plan.partitions,
        group_name=plan.group,
        owners=list(plan.owners),
        tags={"crisp_dm": plan.phase},
        kinds=plan.kinds,
        description=plan.description,
        metadata=_definition_metadata(plan),
        freshness_policy=plan.freshness,
    )


def _definition_metadata(plan: AssetPlan) -> dict[str, Any]:
    """Return the links to the asset's pages, its columns, and the columns upstream that each of them comes from."""
    metadata: dict[str, Any] = {label: dg.MetadataValue.url(address) for label, address in (plan.links or {}).items()}
    return metadata | describe_columns(plan.key.path[0], plan.columns or {})


def _check_specs(plan: AssetPlan) -> dict[str, dg.AssetCheckSpec]:
    """Return the specification of each asset check, by the name of the step's output that stands for the check."""
    specs = [
        dg.AssetCheckSpec(
            check.name,
            asset=plan.key,
            description=check.description,
            partitions_def=plan.partitions if check.each_partition else None,
        )
        for check in plan.checks
    ]
    return {spec.get_python_identifier(): spec for spec in specs}


def _materializations(plan: AssetPlan, published: Mapping[str, PublishedPartition]) -> list[dg.AssetMaterialization]:
    return [
        dg.AssetMaterialization(
            plan.key,
            partition=partition if plan.partitions else None,
            metadata=content.metadata,
            tags={"dagster/data_version": content.version},
        )
        for partition, content in sorted(published.items())
    ]


def _rejections(plan: AssetPlan, rejected: Mapping[str, RejectedPartition]) -> list[dg.AssetObservation]:
    return [
        dg.AssetObservation(
            plan.key,
            partition=partition if plan.partitions else None,
            description=f"{partition if plan.partitions else 'All rows'}: rejected. {rejection.reason}",
            metadata=rejection.metadata,
        )
        for partition, rejection in sorted(rejected.items())
    ]


def _evaluation(key: dg.AssetKey, check: CheckResult) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=check.name,
        passed=check.passed,
        metadata={k: dg.MetadataValue.text(v) if isinstance(v, str) else v for k, v in check.metadata.items()},
        severity=dg.AssetCheckSeverity.WARN if check.warn else dg.AssetCheckSeverity.ERROR,
        description=check.description,
        partition=check.partition,
    )
