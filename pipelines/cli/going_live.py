"""Commands that change which model decides, and for which units: adopt, approve, rollback, withdraw, rollout, stage.

Each change is a new row in a ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import RUN, command
from pipelines.cli.options import By, OptionalWhy, UseCaseName, Why, current_user
from pipelines.cli.security_events import record_event

if TYPE_CHECKING:
    from sixtyforty.lifecycle.stage_gate import StageStatus
    from sixtyforty.lifecycle.stage_history import StageSpell
    from sixtyforty.spec.use_case import UseCase
    from sixtyforty.storage.champion_ledger import ChampionRow
    from sixtyforty.storage.security_log import EventKind
    from sixtyforty.storage.stage_ledger import StageEvent

LEDGER_KEYS = {
    "seq": "Number of the ledger row.",
    "recorded_at": "UTC time at which the ledger row was written.",
    "use_case": "First name of the use case.",
    "by": "The person who made the change.",
    "why": "The reason for the change.",
    "effective_from": "UTC time from which decisions follow the ledger row.",
    "evidence": "The figures that justify the ledger row.",
    "previous_hash": "Hash of the ledger's previous row.",
    "hash": "Hash of the ledger row.",
}
CHAMPION_KEYS = {
    **{key: about for key, about in LEDGER_KEYS.items() if key != "why"},
    "track": "The track on which the model decides: replay or live.",
    "version": "Version of the model that the ledger row is about.",
    "verdict": "The verdict of the gate or of the person.",
    "kind": "The gate that judged the version, or the manual step.",
    "as_of": "The local day at whose start the model was trained.",
    "reasons": "The reasons for the verdict.",
    "bound": "SHA-256 of the version's card, model, training set and data versions, by name.",
}


@dataclass(frozen=True, kw_only=True)
class ChampionChangeAnswer(Answer):
    """Answer of the commands that change the champion: the new row of the champion ledger."""

    row: Annotated[Mapping[str, Any], CHAMPION_KEYS]


@command(RUN, "adopt", "{demo} --why 'the replay paid for a year'")
def adopt(
    use_case: UseCaseName,
    why: Why,
    model: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Version of the replay's champion to adopt. Default: the newest."),
    ] = None,
    by: By = "",
) -> ChampionChangeAnswer:
    """Go live: put the replay's champion in force on the live track. Live decisions start now."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle.champions import adopt_champion
    from sixtyforty.spec.clock import now

    ws = catalog.open_workspace(use_case)
    return _changed_champion(
        "adoption", use_case, adopt_champion(ws, by=by or current_user(), why=why, now=now(), version=model)
    )


@command(RUN, "approve", "{demo} 2013-06-12-0123abcd --why 'checked with the duty managers'")
def approve(
    use_case: UseCaseName,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Version of the challenger to approve.")],
    why: Why,
    by: By = "",
) -> ChampionChangeAnswer:
    """Approve a challenger that waits for approval. The sensor `<use case>_retrain` then promotes the challenger."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle.champions import approve_challenger
    from sixtyforty.spec.clock import now

    ws = catalog.open_workspace(use_case)
    return _changed_champion(
        "approval", use_case, approve_challenger(ws, version=version, by=by or current_user(), why=why, now=now())
    )


@command(RUN, "rollback", "{demo} --to 2013-06-12-0123abcd --why 'complaints since Monday'")
def rollback(
    use_case: UseCaseName,
    version: Annotated[str, typer.Option("--to", metavar="VERSION", help="The earlier champion to put in force.")],
    why: Why,
    by: By = "",
) -> ChampionChangeAnswer:
    """Put an earlier champion in force again, from now on."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle.champions import roll_back_champion
    from sixtyforty.spec.clock import now

    ws = catalog.open_workspace(use_case)
    return _changed_champion(
        "roll-back", use_case, roll_back_champion(ws, version=version, by=by or current_user(), why=why, now=now())
    )


@command(RUN, "withdraw", "{demo} --model 2013-06-12-0123abcd --why 'a feature knew the future' --recipe")
def withdraw(
    use_case: UseCaseName,
    version: Annotated[str, typer.Option("--model", metavar="VERSION", help="The model version to withdraw.")],
    why: Why,
    recipe: Annotated[
        bool,
        typer.Option("--recipe", help="Withdraw every version with the same recipe, including later versions."),
    ] = False,
    by: By = "",
) -> ChampionChangeAnswer:
    """Withdraw a model permanently. Then an earlier champion that isn't withdrawn decides, or the current process."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle.withdrawal import describe_successor, withdraw_model
    from sixtyforty.spec.clock import now

    ws, time = catalog.open_workspace(use_case), now()
    answer = _changed_champion(
        "withdrawal", use_case, withdraw_model(ws, version, by or current_user(), why, time, recipe)
    )
    return replace(answer, text=f"{answer.text}\n{describe_successor(ws, time)}")


def _changed_champion(kind: EventKind, use_case: str, row: ChampionRow) -> ChampionChangeAnswer:
    """Record a change of the champion in the security log, and return the answer of the command."""
    reasons = "; ".join(row.reasons)
    record_event(kind, row.by, use_case, f"{row.version}: {reasons}")
    text = f"{row.verdict} {row.version} from {row.effective_from} UTC, by {row.by}: {reasons}"
    return ChampionChangeAnswer(row=row.model_dump(), text=text)


@dataclass(frozen=True, kw_only=True)
class RolloutAnswer(Answer):
    """Answer of `sixtyforty rollout`: the rollout step in force, after the change if one was made."""

    step: Annotated[str, "The rollout step: shadow, holdout or full."]
    since: Annotated[str, "UTC time from which the step is in force."]
    days: Annotated[int, "Number of complete days with known outcomes in the step, over all times it was in force."]
    lift: Annotated[Mapping[str, Any] | None, "Gain over the current process in the step: value, low, high."]
    obstacles: Annotated[Sequence[str], "Reasons that block the next rollout step. Empty: the next step is allowed."]
    evidence: Annotated[
        Sequence[Mapping[str, Any]],
        "Figures of each rollout step, over all times that it was in force: step, first, last, days, lift.",
    ]
    history: Annotated[Sequence[Any], "All rollout steps so far, oldest first."]


@command(RUN, "rollout", "{demo}", "{demo} --advance --why 'two weeks in shadow paid'")
def rollout(
    use_case: UseCaseName,
    advance: Annotated[
        bool, typer.Option("--advance", help="Move to the next rollout step, if nothing blocks it.")
    ] = False,
    step_back: Annotated[bool, typer.Option("--step-back", help="Move back to the previous rollout step.")] = False,
    by: By = "",
    why: OptionalWhy = "",
) -> RolloutAnswer:
    """Show the rollout step in force (shadow, holdout, full) and what blocks the next step, or change the step."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle.rollout import advance_rollout, read_rollout_status, step_back_rollout
    from sixtyforty.spec.clock import now

    ws, time = catalog.open_workspace(use_case), now()
    change = _select_change(
        {"--advance": (advance, advance_rollout), "--step-back": (step_back, step_back_rollout)}, why
    )
    lines = []
    if change:
        row = change(ws, by=by or current_user(), why=why, now=time)
        record_event("roll-out", row.by, use_case, f"{row.step}: {row.why}")
        lines = [f"{row.step} from {row.effective_from} UTC, by {row.by}: {row.why}"]
    status, history = read_rollout_status(ws, time), ws.rollout_ledger.rows()
    if not change:
        lines = [f"{row.effective_from} UTC  {row.step:8} by {row.by}: {row.why}" for row in history]
        lines.append(
            f"In force: {status.step}, since {status.since:%Y-%m-%d %H:%M} UTC. "
            f"Complete days with known outcomes: {status.days}."
        )
        currency = ws.use_case.kpi.currency
        lines += [f"Evidence in {evidence.describe(currency)}" for evidence in status.evidence]
        lines += [f"Blocks the next step: {reason}" for reason in status.obstacles] or ["The next step is allowed."]
    return RolloutAnswer(**status.to_dict(), history=history, text="\n".join(lines))


@dataclass(frozen=True, kw_only=True)
class StageAnswer(Answer):
    """Answer of `sixtyforty stage`: the stage in force, after the change if one was made, and its gate's verdict."""

    stage: Annotated[str, "The stage: poc, pilot, production or retired."]
    since: Annotated[str, "UTC time at which the stage was entered."]
    verdict: Annotated[
        str | None, "The verdict of the stage's gate: pass, continue or stop. Null: no gate judges the stage."
    ]
    track: Annotated[str, "The track whose decisions the gate judges."]
    label: Annotated[str, "exact, assumed or randomized: how the value is known."]
    partitions: Annotated[int, "Number of partitions of the stage whose outcomes are known."]
    lift: Annotated[Mapping[str, Any], "Gain over the current process per 1,000 units: value, low, high."]
    today: Annotated[str, "The local day on which the gate is judged."]
    outdated: Annotated[str | None, "Why figures of the replay are outdated. Null: the figures are current."]
    refusal: Annotated[
        str | None, "Why no figures are shown, such as leakage. Null: the figures can be trusted, or the stage changed."
    ]
    refutation: Annotated[
        str | None, "How a holdout shows that the action changes the outcome. Null: nothing shows it."
    ]
    obstacles: Annotated[Sequence[str], "Reasons why the stage's gate does not pass."]
    remarks: Annotated[
        Sequence[str], "Remarks: the gate replaced another gate, or outcomes were known before the gate was registered."
    ]
    gate: Annotated[
        Mapping[str, Any] | None,
        "The gate of the stage, as the stage ledger records it. Null: the ledger records no gate for the stage.",
    ]
    lead_times: Annotated[Sequence[Mapping[str, Any]], "How long each stage took: stage, from, to, days."]
    history: Annotated[Sequence[Any], "All rows of the stage ledger, oldest first."]

    @property
    def succeeded(self) -> bool:
        """Whether the stage was changed or, without a change, whether the gate's figures can be trusted."""
        return self.refusal is None


@command(
    RUN,
    "stage",
    "{demo}",
    "{demo} --advance --why 'the gate has passed'",
    "{demo} --retire --why 'the route was closed'",
)
def stage(
    use_case: UseCaseName,
    advance: Annotated[bool, typer.Option("--advance", help="Enter the next stage, if the gate has passed.")] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="Retire the use case. The current process decides from then on.")
    ] = False,
    register: Annotated[
        bool,
        typer.Option(
            "--register", help="Record the changed gate of defs.yaml in the stage ledger, which keeps the old gate."
        ),
    ] = False,
    by: By = "",
    why: OptionalWhy = "",
) -> StageAnswer:
    """Show the stage (poc, pilot, production, retired) and the verdict of its gate, or change the stage."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle import stage_gate, stage_history, stage_steps
    from sixtyforty.spec.clock import now

    ws, time = catalog.open_workspace(use_case), now()
    changes = {
        "--advance": (advance, stage_steps.enter_next_stage),
        "--retire": (retire, stage_steps.retire_use_case),
        "--register": (register, stage_steps.register_gate),
    }
    change = _select_change(changes, why)
    lines = []
    if change:
        row = change(ws, by=by or current_user(), why=why, now=time)
        record_event("stage change", row.by, use_case, f"{row.stage} ({row.event}): {row.why}")
        lines = [f"{row.stage} ({row.event}) from {row.effective_from} UTC, by {row.by}: {row.why}"]
    status, spells = stage_gate.read_stage_status(ws, time), stage_history.list_stage_spells(ws, time)
    history = ws.stage_ledger.rows()
    if not change:
        lines = [_event_line(row, ws.use_case) for row in history]
        lines += [*_spell_lines(spells), *_gate_lines(status), *stage_steps.find_declaration_differences(ws)]
    figures = status.to_dict() | ({"refusal": None} if change else {})
    return StageAnswer(
        **figures, lead_times=[spell.to_dict() for spell in spells], history=history, text="\n".join(lines)
    )


def _event_line(row: StageEvent, use_case: UseCase) -> str:
    from sixtyforty.lifecycle.stage_gate import describe_registration

    line = f"{row.effective_from} UTC  {row.stage:10} {row.event:8} by {row.by}: {row.why}"
    return " ".join([line, *(f"[{remark}]" for remark in describe_registration(row, use_case))])


def _spell_lines(spells: Sequence[StageSpell]) -> list[str]:
    return [f"{spell.stage:10} {spell.days:>8,.1f} days, {spell.since} to {spell.until or 'now'}" for spell in spells]


def _gate_lines(status: StageStatus) -> list[str]:
    lines = []
    if status.gate:
        lines.append(
            f"Gate of {status.stage}: {status.gate.target:+,.0f} per 1,000 by {status.gate.stop_date}, "
            f"minimum gain {status.gate.minimum_gain:+,.0f}, scope: {status.gate.scope.description}"
        )
    verdict = status.verdict or "no gate judges this stage"
    lines.append(
        f"{status.stage}: {verdict}. Partitions with outcomes: {status.figures.partitions} ({status.figures.label})."
    )
    return [*lines, *(f"Blocks the gate: {reason}" for reason in status.obstacles), *status.remarks]


def _select_change(changes: Mapping[str, tuple[bool, Callable[..., Any]]], why: str) -> Callable[..., Any] | None:
    """Return the function that carries out the option that the user chose; None if the user chose no option.

    changes: for each option, whether the user gave it, and its function. Raises CommandError for two options, or an
    option without --why.
    """
    from pipelines.cli.errors import CommandError

    chosen = {option: change for option, (is_chosen, change) in changes.items() if is_chosen}
    if len(chosen) > 1:
        raise CommandError(f"The options {' and '.join(chosen)} exclude each other. Give one of them.")
    if chosen and not why:
        option = next(iter(chosen))
        raise CommandError(f"The option {option} needs a reason. Add --why TEXT. The reason is stored in the ledger.")
    return next(iter(chosen.values()), None)
