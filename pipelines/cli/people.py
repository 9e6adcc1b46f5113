"""Commands about the people around a decision: acceptance, answers, training, findings, digests, simulations."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import PEOPLE, command
from pipelines.cli.options import (
    By,
    OptionalFirstDay,
    OptionalLastDay,
    TrackName,
    UseCaseName,
    current_user,
)
from pipelines.cli.security_events import record_event

if TYPE_CHECKING:
    from sixtyforty.accounting.acceptance import Acceptance
    from sixtyforty.reports.digests import Digest
    from sixtyforty.spec.track import Track
    from sixtyforty.storage.response_log import Event
    from sixtyforty.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class AcceptanceAnswer(Answer):
    """Answer of `sixtyforty acceptance`: whether people use the decisions."""

    figures: Annotated[
        Mapping[str, Any],
        {
            "decisions": "Number of decisions.",
            "seen": "Number of decisions that somebody looked at.",
            "accepted": "Number of decisions that people accepted, and so followed. Decisions that people saw but"
            " didn't answer don't count.",
            "overridden": "Number of decisions that people overrode.",
            "known": "Number of overrides whose outcome is known.",
            "right": "Number of overrides that were better than the decisions that they replaced.",
            "responses": "Number of responses.",
            "simulated": "Number of simulated responses.",
            "unmatched": "Number of responses that belong to no decision.",
            "answered": "Number of decisions that people accepted or overrode.",
            "idle": "Number of newest partitions in a row whose decisions nobody looked at.",
            "uptake": "`accepted` divided by `seen`. A decision that was seen but not answered counts as not followed.",
            "override_rate": "Share of the decisions answered that were overridden.",
            "retention": "Share of a week's users who are active in the next week.",
            "rating": "Mean rating, 1 to 5.",
            "gain": "Value of the overrides minus the value of the decisions that they replaced.",
            "gain_per_1000": "Gain per 1,000 overrides: value, low, high.",
            "roles": "How the people of each role used the decisions: counts, gain of their overrides.",
            "recent": "How people used the decisions of the newest `watch.usage_days` days: counts.",
            "weeks": "How people used the decisions in each week: counts, active people.",
        },
    ]
    alarms: Annotated[Mapping[Any, str], "Warnings for the owner, by kind."]


@command(PEOPLE, "acceptance", "{demo}", "{demo} --track live --json")
def acceptance(use_case: UseCaseName, track: TrackName = "replay") -> AcceptanceAnswer:
    """Show whether people use the decisions, and whether overrides were better than the decisions they replaced."""
    from pipelines.authoring import catalog
    from pipelines.cli.errors import CommandError
    from sixtyforty.accounting import acceptance_messages
    from sixtyforty.accounting.acceptance import summarize_acceptance

    ws = catalog.open_workspace(use_case)
    figures = summarize_acceptance(ws, track)
    if not figures.responses:
        raise CommandError(
            f"{use_case}: nobody's responses to {track} decisions are known. Let people answer on the desk, or put a"
            f" file of responses into the landing zone. Then run: sixtyforty run {use_case}"
            f" --from DATE --to DATE --select acceptance --track {track}"
        )
    alarms = acceptance_messages.find_alarms(ws.use_case, figures)
    lines = [*_acceptance_lines(figures, ws.use_case.kpi.currency), *alarms.values()]
    return AcceptanceAnswer(figures=figures.to_dict(), alarms=alarms, text="\n".join(lines))


def _acceptance_lines(figures: Acceptance, currency: str) -> list[str]:
    from sixtyforty.accounting.acceptance_messages import describe_gain_per_override

    average = describe_gain_per_override(figures.gain_per_1000, currency)
    lines = [
        f"{figures.decisions:>10,}  decided",
        f"{figures.seen:>10,}  seen",
        f"{figures.accepted:>10,}  followed: {figures.uptake or 0:.1%} of the decisions seen",
        f"{figures.overridden:>10,}  overridden: {figures.override_rate or 0:.1%} of the decisions answered",
        f"{figures.gain:>+10,.0f}  {currency} gained by {figures.known:,} overrides with a known outcome;"
        f" {figures.right:,} of them were right{average and f', {average}'}",
    ]
    for name, role in figures.roles.items():
        if role.known:
            average = describe_gain_per_override(role.gain_per_1000, currency)
            lines.append(f"{role.gain:>+10,.0f}  of that by {name}s{average and f', {average}'}")
    if figures.retention is not None:
        lines.append(f"{figures.retention:>10.0%}  of a week's users come back the next week")
    if figures.rating is not None:
        lines.append(f"{figures.rating:>10.1f}  of 5: the mean rating")
    if figures.simulated:
        lines.append(figures.label.replace("simulated", "SIMULATED"))
    return lines


@dataclass(frozen=True, kw_only=True)
class ResponseAnswer(Answer):
    """Answer of `sixtyforty answer`: the recorded answer to a decision, and its effect."""

    decision_id: Annotated[str, "Id of the answered decision."]
    event: Annotated[str, "The kind of answer: accepted, overridden or withdrawn."]
    action: Annotated[str, "The action that is in force after the answer."]
    decided_action: Annotated[str, "The action that was decided."]
    effect: Annotated[
        str,
        "The answer's effect: in force, withdrawn, late, held out or invalid. Only `in force` changes what is done.",
    ]


@command(PEOPLE, "answer", "{demo} live-2013-06-12-0123456789abcdef --action wait --why 'the crew is here' --by ann")
def answer(
    use_case: UseCaseName,
    decision_id: Annotated[
        str, typer.Argument(metavar="DECISION_ID", help="Id of the decision, as `sixtyforty decisions` lists it.")
    ],
    action: Annotated[
        str | None,
        typer.Option(metavar="ACTION", help="Do this action instead of the decided action. This option needs --why."),
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Withdraw your own answer.")] = False,
    role: Annotated[str, typer.Option(metavar="ROLE", help="Your role: decider or expert.")] = "decider",
    why: Annotated[
        str, typer.Option(metavar="TEXT", help="The reason, which is stored with your answer in the response log.")
    ] = "",
    by: By = "",
) -> ResponseAnswer:
    """Accept a decision, override it with --action, or withdraw an answer. The delivered row is revised at once."""
    from pipelines.authoring import catalog
    from pipelines.cli.errors import CommandError
    from sixtyforty.decisions.answering import answer_decision
    from sixtyforty.decisions.provenance import trace_decision
    from sixtyforty.storage.response_log import ROLES, Response

    if withdraw and action is not None:
        raise CommandError("--withdraw and --action exclude each other. Give one of them.")
    chosen = next((name for name in ROLES if name == role), None)
    if chosen is None:
        raise CommandError(f"The role '{role}' is unknown. Allowed roles: {', '.join(ROLES)}.")
    ws = catalog.open_workspace(use_case)
    event: Event = "withdrawn" if withdraw else "overridden" if action is not None else "accepted"
    answer_decision(ws, Response(decision_id, by or current_user(), chosen, event, action, why or None))
    record_event("answer", by, use_case, f"{event} as {chosen}: {decision_id}")
    trace = trace_decision(ws, decision_id)
    if trace.answer is None:
        raise CommandError(
            f"The answer to {decision_id} was recorded, but the decision's trace doesn't show it. Don't answer again."
            " Run `sixtyforty doctor`, and report the decision to the person who runs the services."
        )
    return ResponseAnswer(
        decision_id=decision_id,
        event=event,
        action=trace.answer.action,
        decided_action=trace.decision.action,
        effect=trace.answer.effect,
        text=f"{decision_id}: {event} (effect of the answer: {trace.answer.effect}). Decided: {trace.decision.action}. "
        f"Done: {trace.answer.action}.",
    )


@dataclass(frozen=True, kw_only=True)
class SimulatedAnswer(Answer):
    """Answer of `sixtyforty simulate-responses`: the number of responses added."""

    simulated: Annotated[int, "Number of responses added."]


@command(PEOPLE, "simulate-responses", "{demo}", "{demo} --from 2013-06-01 --to 2013-06-30 --seed 1")
def simulate_responses(
    use_case: UseCaseName,
    first: OptionalFirstDay = None,
    last: OptionalLastDay = None,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
) -> SimulatedAnswer:
    """Add SIMULATED responses of people to past decisions, for a demonstration."""
    from pipelines.operations.simulated_responses import add_simulated_responses

    added = add_simulated_responses(use_case, first, last, seed)
    return SimulatedAnswer(simulated=added, text=f"Added {added:,} SIMULATED responses.")


@dataclass(frozen=True, kw_only=True)
class TrainingAnswer(Answer):
    """Answer of `sixtyforty training`: the planned training of people, and who has done each task."""

    share: Annotated[float | None, "Share of the planned training of people that is done. Null: none is planned."]
    done: Annotated[Mapping[str, Sequence[str]], "Names of the people who have done each task."]


@command(PEOPLE, "training", "{demo}", "{demo} --done read_the_list --by dora")
def training(
    use_case: UseCaseName,
    done: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="Record that a person has done this training task. --by names the person."),
    ] = None,
    by: By = "",
) -> TrainingAnswer:
    """Show the planned training of people and who has done each task, or record that somebody has done a task."""
    from pipelines.authoring import catalog
    from pipelines.cli.errors import CommandError
    from sixtyforty.lifecycle.training import list_trained_people, record_completion, share_trained

    ws = catalog.open_workspace(use_case)
    lines = []
    if done:
        row = record_completion(ws, done, by or current_user())
        lines = [f"Recorded: {row.by} has done {row.task}."]
    planned, people = ws.use_case.people.change.training, list_trained_people(ws)
    if not planned:
        raise CommandError(
            f"{use_case} plans no training of people. Declare tasks in people.change.training of its defs.yaml."
        )
    if not done:
        lines = [
            f"{len(people[name])} of {task.headcount} {task.role}s: {name}, {task.title}"
            for name, task in planned.items()
        ]
    return TrainingAnswer(share=share_trained(ws), done=people, text="\n".join(lines))


@dataclass(frozen=True, kw_only=True)
class FindingAnswer(Answer):
    """Answer of `sixtyforty add-finding`: the finding, as the ledger of findings records it."""

    row: Annotated[
        Mapping[str, Any],
        {
            "seq": "Number of the finding.",
            "recorded_at": "UTC time at which the finding was recorded.",
            "use_case": "First name of the use case.",
            "by": "The person who recorded the finding.",
            "title": "What the finding is about.",
            "text": "The text of the finding.",
            "previous_hash": "Hash of the previous row of the ledger of findings.",
            "hash": "Hash of the finding's row.",
        },
    ]


@command(PEOPLE, "add-finding", "{demo} --text 'Fog is reported a day late.'")
def add_finding(
    use_case: UseCaseName,
    text: Annotated[
        str, typer.Option(metavar="TEXT", help="The finding, without personal data: it is stored for ever.")
    ],
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="The finding's title. Default: the text's first line.")
    ] = "",
    by: By = "",
) -> FindingAnswer:
    """Record a finding for later readers. The finding becomes part of the model record."""
    from pipelines.authoring import catalog
    from sixtyforty.reports.model_record import record_finding

    finding = record_finding(catalog.open_workspace(use_case), by or current_user(), text, title)
    return FindingAnswer(row=finding.model_dump(), text=f"Finding {finding.seq}, by {finding.by}: {finding.title}")


@dataclass(frozen=True, kw_only=True)
class DigestAnswer(Answer):
    """Answer of `sixtyforty digest`: the digests that were shown, or the receipts of those that were sent."""

    digests: Annotated[Sequence[Any], "Without --send: role, cadence, due day, title and text of each digest."]
    receipts: Annotated[Sequence[Any], "With --send: one receipt for each digest and address."]


@command(
    PEOPLE,
    "digest",
    "{demo}",
    "{demo} --track replay --date 2013-07-08 --role owner",
    "{demo} --send",
)
def digest(
    use_case: UseCaseName,
    role: Annotated[str | None, typer.Option(help="Show or send only the digests of this role.")] = None,
    day: Annotated[
        date | None,
        typer.Option("--date", metavar="DATE", help="Show digests as of the end of this local day. Default: now."),
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Send the digests that are due and have not been sent.")] = False,
    track: TrackName = "live",
) -> DigestAnswer:
    """Show the digests of the subscribed roles, or send the digests that are due."""
    from pipelines.authoring import catalog
    from pipelines.cli.errors import CommandError
    from sixtyforty.reports import digests
    from sixtyforty.reports.alerts import send_by_apprise
    from sixtyforty.spec.clock import now

    ws = catalog.open_workspace(use_case)
    if not any(role in (None, subscription.role) for subscription in ws.use_case.subscriptions):
        raise CommandError(
            f"{use_case} declares no subscription{f' of the role {role}' if role else ''}. "
            "Declare a subscription in `subscriptions` of its defs.yaml."
        )
    time = ws.use_case.closes_at(day.isoformat()) - timedelta(seconds=1) if day else now()
    if send:
        receipts = digests.send_digests(ws, track, time, os.environ, send_by_apprise, role)
        text = "\n".join(map(digests.describe_receipt, receipts)) or "No digest is due."
        return DigestAnswer(digests=[], receipts=receipts, text=text)
    composed = _compose_digests(ws, track, time, role)
    if not composed:
        raise CommandError(
            f"{use_case} has no decisions on the {track} track yet. Go live with `sixtyforty adopt {use_case}`, "
            "or show past digests with --track replay --date DATE."
        )
    text = "\n\n".join(f"{shown.title} ({shown.role})\n\n{shown.text}" for shown in composed)
    return DigestAnswer(digests=composed, receipts=[], text=text)


def _compose_digests(ws: Workspace, track: Track, time: datetime, role: str | None) -> list[Digest]:
    from sixtyforty.reports import digests

    composed = []
    for subscription in ws.use_case.subscriptions:
        period = digests.latest_period(ws.use_case, subscription, time)
        if role in (None, subscription.role) and digests.has_decisions_by(ws, track, period):
            composed.append(digests.compose_digest(ws, track, subscription.role, period))
    return composed
