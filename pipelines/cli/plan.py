"""`sixtyforty plan`: what an edit of a declaration would change, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.answer import Answer, show_progress
from pipelines.cli.commands import RUN, command
from pipelines.cli.options import UseCaseName
from sixtyforty.spec.money import format_money
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.wording import format_plural

if TYPE_CHECKING:
    from sixtyforty.lifecycle.plan import Plan
    from sixtyforty.lifecycle.plan_flips import Flips
    from sixtyforty.lifecycle.plan_preview import Preview
    from sixtyforty.lifecycle.plan_value import PlannedFigure, PlannedPeriod
    from sixtyforty.value.rounded_interval import RoundedInterval
    from sixtyforty.workspace import Workspace

LEAKAGE_CURE = "Do so before you run the chain: a run refuses partitions whose features have leakage."


@dataclass(frozen=True, kw_only=True)
class PlanAnswer(Answer):
    """Answer of `sixtyforty plan`: how the replay would change under the declaration on disk."""

    changes: Annotated[
        Sequence[Mapping[str, Any]], "One object for each changed field: field, kind, before, after. Empty: no change."
    ]
    remade: Annotated[
        Mapping[str, Sequence[str]], "Partitions that a run would make again, by dataset. For models: training days."
    ]
    leakage: Annotated[
        Mapping[str, Any] | None,
        "Leakage in features that the edited SQL builds for sampled partitions: checked (partitions), tainted"
        " (partitions with their features). Null: no features are made again.",
    ]
    flips: Annotated[
        Mapping[str, Any] | None,
        "Decisions that the edit changes: compared, flipped (another action), added, removed, by_action, by_partition,"
        " examples. Null: not calculated.",
    ]
    value: Annotated[
        Mapping[str, Any] | None,
        "Value of the replay: total and periods, each now, unchanged (today's decisions under the edited payoffs) and"
        " after the edit. flips_per_1000 and figures have 95% intervals. Null: not calculated.",
    ]
    champions: Annotated[
        Mapping[str, Sequence[str]] | None, "Training days of the promoted models: now, after. Null: not calculated."
    ]
    lost_significance: Annotated[
        Sequence[str], "Figures that are significant now, but not after the edit. If there are any, the exit code is 3."
    ]
    refusal: Annotated[
        str | None, "Why sixtyforty would show no figures after the edit. Null: sixtyforty would show figures."
    ]
    live_partitions: Annotated[int, "Number of partitions with live decisions, which never change."]
    notes: Annotated[Sequence[str], "What the plan doesn't cover."]
    next: Annotated[str | None, "The command that applies the edit to the replay. Null: nothing changes."]

    @property
    def succeeded(self) -> bool:
        """Whether the edited SQL has no leakage, and the replay's figures can still be trusted after the edit."""
        return not (self.leakage and self.leakage["tainted"]) and self.refusal is None

    @property
    def is_warning(self) -> bool:
        """Whether a figure of the replay is significant now, but not after the edit."""
        return bool(self.lost_significance)


@command(RUN, "plan", "{demo}", "{demo} --compute", "{demo} --json")
def plan(
    use_case: UseCaseName,
    compute: Annotated[
        bool,
        typer.Option(
            "--compute",
            help="After a change of SQL or of the recipe, build features and train models in a temporary folder. Then"
            " show how many decisions change, and their value. This can take as long as a run of the chain.",
        ),
    ] = False,
) -> PlanAnswer:
    """Show what an edit of a declaration would change, before anything runs.

    The declaration on disk is compared with the one under which the replay's decisions were taken. Nothing is written.
    """
    from pipelines.authoring import catalog
    from pipelines.settings import pin_threads
    from sixtyforty.lifecycle.fixed_parts import refuse_changed_parts
    from sixtyforty.lifecycle.plan import make_plan
    from sixtyforty.spec.clock import now

    pin_threads()
    catalog.load_use_case(use_case, sql=True)
    refuse_changed_parts(catalog.open_declared_workspace(use_case))
    rebuild = None
    if compute:
        from pipelines.operations.plan_compute import rebuild_inputs

        rebuild = rebuild_inputs
    ws = catalog.open_workspace(use_case)
    made = make_plan(ws, now(), show_progress, rebuild)
    preview, leakage = made.preview, made.leakage
    return PlanAnswer(
        changes=[asdict(change) for change in made.changes],
        remade=made.remade,
        leakage=_leakage_object(made) if leakage else None,
        flips=asdict(preview.flips) | {"flipped": preview.flips.flipped} if preview else None,
        value=asdict(preview.value) if preview else None,
        champions={"now": preview.champions_now, "after": preview.champions_after} if preview else None,
        lost_significance=made.lost,
        refusal=made.refusal,
        live_partitions=made.live,
        notes=made.notes,
        next=_next_command(ws, made),
        text="\n".join(_plan_lines(ws, made)),
    )


def _leakage_object(made: Plan) -> dict[str, Any]:
    assert made.leakage is not None, "the caller checks that features are made again"
    return {"checked": made.leakage.checked, "tainted": [asdict(tainted) for tainted in made.leakage.tainted]}


def _next_command(ws: Workspace, made: Plan) -> str | None:
    if made.is_unchanged or made.has_leakage:
        return None
    built = {p for dataset, remade in made.remade.items() if dataset != "models" for p in remade}
    partitions = sorted({*made.edit.decided, *built} - {SNAPSHOT})
    first, last = (ws.use_case.first_day(partition) for partition in (partitions[0], partitions[-1]))
    rebuild = "" if made.edit.is_current else " --rebuild-replay"
    return f"sixtyforty run {ws.use_case.name} --from {first} --to {last}{rebuild}"


def _plan_lines(ws: Workspace, made: Plan) -> Iterator[str]:
    if made.is_unchanged:
        yield f"{ws.use_case.name}: nothing changed. Every replay decision was taken under the declaration on disk."
        return
    yield f"{ws.use_case.name}: how the replay would change under the declaration on disk. Nothing was written."
    yield "Changed:"
    yield from (f"  {change.text}" for change in made.changes)
    if not made.edit.has_copies:
        yield "  other fields may differ, too, because no copy of an earlier declaration is stored"
    if made.remade:
        yield "A run would make again:"
        yield from (_remade_line(dataset, partitions) for dataset, partitions in made.remade.items())
    yield from _leakage_lines(made)
    if made.preview:
        yield from _preview_lines(ws, made.preview)
    elif not made.has_leakage:
        yield (
            "Flips and value: not calculated, because the stored models don't fit the edited declaration."
            " Add --compute to calculate them."
        )
    if made.refusal:
        yield f"REFUSED: after the edit, sixtyforty would show no figures. {made.refusal}"
    if made.live:
        live = format_plural(made.live, ws.use_case.partitions.every)
        yield f"Live: the decisions of {live} are history. The edit changes none of them."
    yield from made.notes
    if command_line := _next_command(ws, made):
        yield f"To apply the edit: {command_line}"


def _remade_line(dataset: str, partitions: Sequence[str]) -> str:
    noun = "training day" if dataset == "models" else "partition"
    span = f", {partitions[0]} to {partitions[-1]}" if partitions else ""
    return f"  {dataset}: {format_plural(len(partitions), noun)}{span}"


def _leakage_lines(made: Plan) -> Iterator[str]:
    if made.leakage is None:
        return
    from sixtyforty.modeling import taint

    sample = format_plural(len(made.leakage.checked), "partition")
    if made.has_leakage:
        cure = taint.describe_cure(made.leakage.tainted)
        yield f"Leakage: the {taint.describe(made.leakage.tainted)}. {cure} {LEAKAGE_CURE}"
    else:
        yield f"Leakage: none in a sample of {sample}. A run checks the other partitions."


def _preview_lines(ws: Workspace, preview: Preview) -> Iterator[str]:
    kpi = ws.use_case.kpi
    yield from _flip_lines(preview.flips)
    yield f"Value in {kpi.currency}:"
    yield f"  {'':10}{'decisions':>12}{'flips':>10}{'now':>16}{'unchanged':>16}{'after':>16}"
    yield from (_period_line(period) for period in [*preview.value.periods, preview.value.total])
    yield "  now: today's decisions and payoffs. unchanged: today's decisions under the edited payoffs."
    yield "  after: the decisions after the edit under the edited payoffs."
    certain = "not significant" if preview.value.flips_per_1000.contains_zero else "significant"
    yield f"The flips are worth {_gain(preview.value.flips_per_1000, kpi.currency)}: {certain}."
    yield from (_figure_line(figure, kpi.currency) for figure in preview.value.figures)
    if preview.champions_now != preview.champions_after:
        now, after = (", ".join(days) or "none" for days in (preview.champions_now, preview.champions_after))
        yield f"The gate promotes the models of other training days. Now: {now}. After: {after}."


def _flip_lines(flips: Flips) -> Iterator[str]:
    share = f" ({flips.flipped / flips.compared:.1%})" if flips.compared else ""
    yield f"Flips: {flips.flipped:,} of {format_plural(flips.compared, 'decision')}{share}"
    yield from (f"  {flip.before} → {flip.after}: {flip.decisions:,}" for flip in flips.by_action)
    if flips.added or flips.removed:
        yield f"  {flips.added:,} decisions are new, {flips.removed:,} are no longer taken"
    if flips.examples:
        yield "Examples:"
    for example in flips.examples:
        score = "no score" if example.score is None else f"score {example.score:.3f}"
        yield (
            f"  {example.decision_id}  {example.decided_at:%Y-%m-%d %H:%M} UTC  {example.before} → {example.after}"
            f"  {score}  ({example.reason})"
        )


def _period_line(period: PlannedPeriod) -> str:
    money = "".join(f"{'–' if m is None else f'{m:,.0f}':>16}" for m in (period.now, period.unchanged, period.after))
    return f"  {period.period:10}{period.decisions:>12,}{period.flips:>10,}{money}"


def _figure_line(figure: PlannedFigure, currency: str) -> str:
    verdict = "LOSES its significance" if figure.loses_significance else _significance(figure)
    now, after = (_gain(interval, currency) for interval in (figure.now, figure.after))
    return f"{figure.name[0].upper()}{figure.name[1:]}: now {now}, after {after}: {verdict}."


def _significance(figure: PlannedFigure) -> str:
    from sixtyforty.lifecycle.plan_value import is_proven

    if is_proven(figure.now):
        return "stays significant"
    return "becomes significant" if is_proven(figure.after) else "not significant"


def _gain(interval: RoundedInterval, currency: str) -> str:
    if interval.low is None or interval.high is None:
        return f"{format_money(interval.value, currency, signed=True)} per 1,000 decisions (no interval)"
    value, low, high = (format_money(m, currency, signed=True) for m in (interval.value, interval.low, interval.high))
    return f"{value} per 1,000 decisions (95% confidence interval: {low} to {high})"
