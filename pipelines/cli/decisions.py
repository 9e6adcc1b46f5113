"""Commands that show single decisions and the model that took them: decisions, explain, champion, replay."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.answer import Answer, to_json
from pipelines.cli.commands import SEE, command
from pipelines.cli.options import FirstDay, LastDay, TrackName, UseCaseName
from sixtyforty.spec.track import Track

if TYPE_CHECKING:
    from sixtyforty.storage.champion_ledger import ChampionRow

NO_CHAMPION = "no model was promoted: the current process decides"
END_OF_TIME = "9999"


@dataclass(frozen=True, kw_only=True)
class DecisionsAnswer(Answer):
    """Answer of `sixtyforty decisions`: the decisions of one local day."""

    date: Annotated[date, "The local day of the decisions."]
    track: Annotated[Track, "The track of the decisions: replay or live."]
    decisions: Annotated[
        Sequence[Mapping[str, Any]],
        "One object for each decision: decision_id, the unit's key, action, decided_at (UTC), decided_by, and the"
        " versions of model, data and code.",
    ]


@command(SEE, "decisions", "{demo} --date 2013-06-12")
def decisions(
    use_case: UseCaseName,
    day: Annotated[date, typer.Option("--date", metavar="DATE", help="The local day of the decisions.")],
    track: TrackName = "replay",
) -> DecisionsAnswer:
    """List the decisions of a local day, with the id of each decision."""
    from pipelines.authoring import catalog
    from pipelines.cli.errors import CommandError
    from sixtyforty.decisions.decision_table import read_decisions

    ws = catalog.open_workspace(use_case)
    partitions = ws.use_case.covering_days(day, day)
    taken = [decision for partition in partitions for decision in read_decisions(ws, partition, track)]
    if not taken:
        raise CommandError(
            f"{use_case} has no decisions on {day} ({track} track). "
            f"Run the chain on that day: sixtyforty run {use_case} --from {day} --to {day}."
        )
    lines = [
        f"{decision.decision_id}  {decision.decided_at:%Y-%m-%d %H:%M} UTC  {decision.action:<10} "
        f"{' '.join(map(str, decision.unit.values()))}  ({decision.decided_by})"
        for decision in taken
    ]
    objects = [decision.to_dict() for decision in taken]
    return DecisionsAnswer(date=day, track=track, decisions=objects, text="\n".join(lines))


@dataclass(frozen=True, kw_only=True)
class ExplainAnswer(Answer):
    """Answer of `sixtyforty explain`: one decision's trace, from its delivery back to the extracts."""

    thread: Annotated[
        Mapping[str, Any],
        {
            "decision": "The decision as it was stored.",
            "features": "The feature values that the model used.",
            "verdicts": "The verdict of governance on each input.",
            "inputs": "The extracts, each with its file name and SHA-256.",
            "champion": "The model that was in force. Null: the current process decided.",
            "policy": "The payoffs and limits that turned the score into an action.",
            "code_version": "Hash of the code that took the decision.",
            "delivery": "Where and when the decision was delivered.",
            "outcome": "The outcome, once known, with the value of the decided action and of the action done.",
            "answer": "A person's answer: its effect, the action in force, role and UTC time. Null: nobody answered.",
        },
    ]


@command(SEE, "explain", "{demo} replay-2013-06-12-0123456789abcdef")
def explain(
    use_case: UseCaseName,
    decision_id: Annotated[
        str, typer.Argument(metavar="DECISION_ID", help="Id of the decision, as `sixtyforty decisions` lists it.")
    ],
) -> ExplainAnswer:
    """Trace a decision back to its model, data, verdicts and extracts."""
    from pipelines.authoring import catalog
    from sixtyforty.decisions.provenance import trace_decision

    thread = trace_decision(catalog.open_workspace(use_case), decision_id).to_dict()
    return ExplainAnswer(thread=thread, text=json.dumps(thread, indent=2, default=to_json))


@dataclass(frozen=True, kw_only=True)
class ChampionAnswer(Answer):
    """Answer of `sixtyforty champion`: the model in force on a track."""

    champion: Annotated[str | None, "Version of the model in force. Null: the current process decides."]
    effective_from: Annotated[str | None, "UTC time from which the model decides."]
    why: Annotated[Sequence[str], "Reasons why the model, or the current process, decides."]
    ledger: Annotated[str, "Path of the champion ledger."]
    history: Annotated[Sequence[Any], "All rows of the champion ledger, oldest first. Empty without --history."]


@command(SEE, "champion", "{demo}", "{demo} --history", "{demo} --date 2013-09-01 --track live")
def champion(
    use_case: UseCaseName,
    history: Annotated[
        bool,
        typer.Option(
            "--history", help="List every model version that a gate or a person judged, with verdict and reasons."
        ),
    ] = False,
    day: Annotated[
        date | None,
        typer.Option("--date", metavar="DATE", help="Show the model in force at the start of this local day."),
    ] = None,
    track: TrackName = "replay",
) -> ChampionAnswer:
    """Show which model is in force on a track, and why."""
    from pipelines.authoring import catalog

    ws = catalog.open_workspace(use_case)
    rows = ws.champion_ledger.rows_of(track) if history else []
    row = ws.champion_ledger.champion_at(track, ws.use_case.day_start(day) if day else END_OF_TIME)
    why = row.reasons if row else [_reason_without_champion(ws.champion_ledger.newest_withdrawal(track))]
    lines = [f"{row.as_of}  {row.verdict:8} {row.version}  {'; '.join(row.reasons)}" for row in rows]
    if history and not lines:
        lines = ["No challenger has been judged yet."]
    if not history:
        lines = [f"{row.version if row else 'none'}: {'; '.join(why)}"]
    return ChampionAnswer(
        champion=row.version if row else None,
        effective_from=row.effective_from if row else None,
        why=why,
        ledger=str(ws.champion_ledger.path),
        history=rows,
        text="\n".join(lines),
    )


def _reason_without_champion(withdrawal: ChampionRow | None) -> str:
    if withdrawal is None:
        return NO_CHAMPION
    return f"the champion was {withdrawal.withdrawal_text}: the current process decides"


@dataclass(frozen=True, kw_only=True)
class ReplayAnswer(Answer):
    """Answer of `sixtyforty replay`: for each past partition, its data, decisions and outcomes."""

    track: Annotated[Track, "The track of the decisions: replay or live."]
    partitions: Annotated[
        Sequence[Mapping[str, Any]],
        "One object for each partition: seen (the data used), decided (the decisions), outcomes (value of decisions).",
    ]


@command(SEE, "replay", "{demo} --from 2013-06-10 --to 2013-06-12")
def replay(use_case: UseCaseName, first: FirstDay, last: LastDay, track: TrackName = "replay") -> ReplayAnswer:
    """Show past partitions one by one: the data known at the decision time, the decisions and the outcomes.

    Nothing is recalculated.
    """
    from pipelines.authoring import catalog
    from pipelines.cli.errors import CommandError
    from sixtyforty.reports.replay_report import describe_partition, replay_partitions

    ws = catalog.open_workspace(use_case)
    if last < first:
        raise CommandError(f"--to {last} is before --from {first}. Give the earlier day first.")
    partitions = list(
        replay_partitions(ws, ws.use_case.decision_partitions(ws.use_case.covering_days(first, last)), track)
    )
    if not any(partition.decided for partition in partitions):
        raise CommandError(
            f"{use_case} has no decisions from {first} to {last} ({track} track). "
            f"Run the chain first: sixtyforty run {use_case} --from {first} --to {last}."
        )
    return ReplayAnswer(
        track=track,
        partitions=[partition.plain for partition in partitions],
        text="\n".join(map(describe_partition, partitions)),
    )
