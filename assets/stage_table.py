"""The stage table: one entry per stage, in the order of the chain. `pipelines.component` builds a use case from it.

A field of an entry is the same for every use case, or a function of the `StageTarget`. The target is the use case and,
for a stage with one asset per source, the source. `wiring.build_stage_assets` turns an entry into Dagster assets.
"""

from __future__ import annotations

from assets import (
    arrivals,
    build_or_buy,
    data,
    decide,
    model,
    page_links,
    reports,
    stage_columns,
    stage_gate,
    training,
    value,
)
from assets.stage import Stage, StageTarget
from assets.unbuilt_features import FEATURES_BUILT
from assets.verdict_checks import REJECTED_NOW
from expectations import suites
from sixtyforty.ingest.formats.registry import choose_format
from sixtyforty.spec.draft import Draft


def _validated_inputs(target: StageTarget) -> list[str]:
    return [f"validated/{source}" for source in target.use_case.inputs]


def _reference_sources(target: StageTarget) -> list[str]:
    """Return the validated sources from which the rules of the target source's suite read their allowed values."""
    suite = suites.load_suite(target.use_case.name, target.source_name)
    allowed = [rule.kwargs.get("value_set") for rule in [*suite.rows, *suite.partition.rules]]
    return sorted({f"validated/{values['source']}" for values in allowed if isinstance(values, dict)})


def _is_draft(target: StageTarget) -> bool:
    return isinstance(target.use_case, Draft)


def _describe_current_state(target: StageTarget) -> str:
    text = (
        "The state before any model: the data and its quality, similar sources in the project, and the value of the"
        " current process."
    )
    blanks = target.use_case.blanks if isinstance(target.use_case, Draft) else ()
    return text + (
        "\n\nThe use case is a draft. Fill in these fields:" + "".join(f"\n- {blank}" for blank in blanks)
        if blanks
        else ""
    )


def _describe_review_queue(target: StageTarget) -> str:
    review = target.use_case.people.review
    assert review is not None
    return (
        "Decisions between nearly equal actions, or with which an expert's rule disagrees, ranked by their value of"
        f" information. People review up to {sum(review.reviewers.values())} decisions a day, for"
        f" {review.minutes_per_review:g} minutes each. All other decisions stay unchanged."
    )


STAGES = (
    Stage(
        name="raw",
        each_source=True,
        for_drafts=True,
        run=data.import_extracts,
        is_due_each_partition=True,
        description=lambda t: (
            f"{t.source.description}\n\nThe raw rows of the source ({t.source.origin}): every line as text, with its"
            " file and line number."
        ),
        phase="data_understanding",
        kinds=lambda t: {choose_format(b"", t.source.files).kind, "parquet"},
        inputs=lambda t: [] if t.source_name in t.use_case.inputs else ["delivery"],
        upstream=lambda t: t.source.upstream,
        partitioned=lambda t: t.source.partition is not None,
        checks=[data.EXTRACTS_READABLE],
        columns=stage_columns.raw_columns,
        links=page_links.source_links("raw"),
    ),
    Stage(
        name="validated",
        each_source=True,
        for_drafts=True,
        run=data.validate_source,
        is_due_each_partition=True,
        description=lambda t: (
            f"{suites.load_suite(t.use_case.name, t.source_name).description}\n\nTyped and checked rows of"
            f" {t.source_name}. Rows that break a rule are in quarantine, with the reason."
        ),
        phase="data_preparation",
        kinds={"greatexpectations", "parquet"},
        inputs=lambda t: [f"raw/{t.source_name}", *_reference_sources(t)],
        partitioned=lambda t: t.source.partition is not None,
        checks=lambda t: [data.CONTRACT, REJECTED_NOW, data.CONSERVATION, *arrivals.arrival_checks(t)],
        columns=stage_columns.validated_columns,
        links=page_links.source_links("validated"),
    ),
    Stage(
        name="data_docs",
        for_drafts=True,
        runs_last=True,
        run=data.build_data_docs,
        description="Great Expectations' pages about the newest partitions and all rejected partitions. Decisions don't"
        " wait for these pages.",
        phase="data_understanding",
        kinds={"greatexpectations"},
        inputs=_validated_inputs,
        partitioned=False,
        links=page_links.page_links(page_links.DATA_DOCS),
    ),
    Stage(
        name="current_state",
        for_drafts=True,
        run=reports.describe_current_state,
        description=_describe_current_state,
        phase="data_understanding",
        kinds={"duckdb", "html"},
        inputs=lambda t: [*_validated_inputs(t), *([] if _is_draft(t) else ["features", "outcomes"])],
        partitioned=False,
        links=page_links.page_links("current_state.html"),
    ),
    Stage(
        name="features",
        run=data.build_features,
        description=lambda t: (
            f"Point-in-time features of the {t.use_case.kpi.unit_plural} (`features.sql`): what was"
            " known at `decided_at`, and the current process's action."
        ),
        phase="data_preparation",
        kinds={"duckdb", "parquet"},
        inputs=_validated_inputs,
        checks=[FEATURES_BUILT, data.FIT_FOR_MODEL, data.NO_LEAKAGE],
        links=page_links.rows_links("features"),
    ),
    Stage(
        name="outcomes",
        run=data.record_outcomes,
        description=lambda t: (
            f"The outcome of the {t.use_case.kpi.unit_plural} (`outcomes.sql`):"
            f" {t.use_case.kpi.outcome_name}, and when the outcome became known."
        ),
        phase="data_preparation",
        kinds={"duckdb", "parquet"},
        inputs=lambda t: [f"validated/{source}" for source in t.use_case.partitioned],
        links=page_links.rows_links("outcomes"),
    ),
    Stage(
        name="training_set",
        run=model.record_training_sets,
        description="The training set of each model: units of the days before the training day, as known on that day."
        " DVC records the training set, with the raw and validated data, before any model is trained.",
        phase="modeling",
        kinds={"dvc", "parquet"},
        inputs=["features", "outcomes"],
        partitioned=False,
        checks=[training.TRAINING_DATA_SOUND],
        pool=model.DVC_POOL,
    ),
    Stage(
        name="challenger",
        run=model.train_challengers,
        description="A newly trained model for each recipe and training day, as a skops file that DVC records.",
        phase="modeling",
        kinds={"scikitlearn", "dvc"},
        inputs=["training_set"],
        partitioned=False,
        pool=model.DVC_POOL,
    ),
    Stage(
        name="backtest",
        run=model.run_backtest,
        description="Value of each recipe on days after its training window (walk-forward), compared with the current"
        " process, random choice and perfect foresight.",
        phase="evaluation",
        kinds={"scikitlearn"},
        inputs=["challenger"],
        partitioned=False,
        checks=[model.WALK_FORWARD_SOUND],
    ),
    Stage(
        name="degradation",
        run=model.run_degradation_drill,
        description="Value of the decisions with each feed missing, stale, duplicated or in a wrong unit at decision"
        " time, on a sample of past days. Measured with and without the serving gate, which checks features.",
        phase="evaluation",
        kinds={"scikitlearn", "duckdb"},
        inputs=["backtest"],
        partitioned=False,
        checks=[model.FEED_FAULTS_CONTAINED],
    ),
    Stage(
        name="champion",
        run=model.judge_challengers,
        description="The gate's verdict on each challenger, in the champion ledger. A promoted challenger decides"
        " from its training day on.",
        phase="evaluation",
        kinds={"dvc"},
        inputs=["backtest"],
        partitioned=False,
        checks=[model.MODEL_FILES_SOUND, training.TRAINING_DATA_SOUND],
        pool=model.DVC_POOL,
    ),
    Stage(
        name="decisions",
        holds_decisions=True,
        run=decide.decide_units,
        is_due_each_partition=True,
        description=lambda t: (
            f"{t.use_case.people.process_step}\n\nThe decisions on the"
            f" {t.use_case.kpi.unit_plural}, taken by the champion in force at the decision time. Without a champion,"
            " the current process decides. A decision never changes."
        ),
        phase="deployment",
        kinds={"scikitlearn", "parquet"},
        inputs=["features", "champion"],
        checks=lambda t: [*decide.CHECKS, *arrivals.snapshot_checks(t)],
        links=lambda t: {**page_links.desk_links(t), **page_links.rows_links("decisions/replay", "decisions/live")(t)},
    ),
    Stage(
        name="review_queue",
        holds_decisions=True,
        applies=lambda t: t.use_case.people.review is not None,
        run=decide.queue_decisions,
        description=_describe_review_queue,
        phase="deployment",
        kinds={"duckdb", "parquet"},
        inputs=["decisions"],
        columns=stage_columns.review_columns,
        links=page_links.desk_links,
    ),
    Stage(
        name="delivery",
        holds_decisions=True,
        run=decide.deliver,
        description="Every decision exactly once, in a CSV and Parquet file per partition and in a SQL table.",
        phase="deployment",
        kinds={"csv", "sql"},
        inputs=["decisions"],
    ),
    Stage(
        name="kpi_impact",
        holds_decisions=True,
        run=value.account_kpi,
        description=lambda t: (
            f"{t.use_case.kpi.name}, in {t.use_case.kpi.currency}"
            f" ({t.use_case.label('replay')}), by day: decisions taken, current process, random choice,"
            " perfect foresight, and each candidate."
        ),
        phase="evaluation",
        kinds={"duckdb"},
        inputs=["decisions", "outcomes"],
        checks=value.kpi_checks,
        columns=stage_columns.value_columns,
        links=page_links.page_links("impact.html"),
    ),
    Stage(
        name="break_even",
        run=model.draw_break_even,
        description="How much of the model's information, or of its sound data, may be lost before the current process"
        " or a random choice is as good as the model.",
        phase="evaluation",
        kinds={"duckdb"},
        inputs=["decisions", "outcomes", "degradation"],
        partitioned=False,
    ),
    Stage(
        name="acceptance",
        holds_decisions=True,
        applies=lambda t: t.use_case.people.responses is not None,
        run=value.account_acceptance,
        description=lambda t: (
            f"What the {t.use_case.people.role}s did with the decisions, by day: seen, followed,"
            " overridden, and the money that the overrides gained."
        ),
        phase="evaluation",
        kinds={"duckdb"},
        inputs=lambda t: [f"validated/{t.use_case.people.responses}", "decisions", "outcomes"],
        checks=[value.PEOPLE_USE_DECISIONS, value.RESPONSES_MATCH],
        columns=stage_columns.usage_columns,
        links=page_links.desk_links,
    ),
    Stage(
        name="stage_gate",
        applies=lambda t: t.use_case.stages is not None,
        run=stage_gate.judge_stage,
        description="From proof of concept to retirement: the verdict of the stage's gate (pass, continue, stop) in the"
        " stage ledger, and the days spent in each stage.",
        phase="evaluation",
        kinds={"ledger"},
        inputs=lambda t: ["kpi_impact", *(["acceptance"] if t.use_case.people.responses else [])],
        partitioned=False,
        checks=[stage_gate.NOT_STOPPED, stage_gate.STAGE_AS_DECLARED],
    ),
    Stage(
        name="build_or_buy",
        applies=lambda t: t.use_case.sourcing is not None,
        run=build_or_buy.compare_build_or_buy,
        description="The value and cost of building, of each vendor and of the current process over the declared"
        " months, the verdict, and what would change the verdict.",
        phase="evaluation",
        kinds={"scorecard"},
        inputs=["kpi_impact"],
        partitioned=False,
    ),
    Stage(
        name="impact_report",
        run=reports.write_impact_report,
        description="One page for the owner: what was decided, its value, and what to do next.",
        phase="evaluation",
        kinds={"html"},
        inputs=lambda t: [
            *("kpi_impact", "degradation", "break_even"),
            *(["acceptance"] if t.use_case.people.responses else []),
        ],
        partitioned=False,
        links=page_links.page_links("impact.html"),
    ),
    Stage(
        name="model_record",
        run=reports.write_model_record,
        description="What was tried, found and decided, and on which data, for the next person who works on the model.",
        phase="evaluation",
        kinds={"markdown"},
        inputs=lambda t: [
            *("champion", "kpi_impact", "degradation", "break_even"),
            *(["acceptance"] if t.use_case.people.responses else []),
            *(["stage_gate"] if t.use_case.stages else []),
        ],
        partitioned=False,
    ),
)
