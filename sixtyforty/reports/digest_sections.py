"""The text of a digest, which depends on the reader's role. Each `…_section` function writes the text for one role."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date

from sixtyforty.accounting.acceptance import summarize_acceptance
from sixtyforty.accounting.acceptance_messages import explain_acceptance
from sixtyforty.accounting.forecast import explain_target
from sixtyforty.accounting.kpi_summary import KpiSummary
from sixtyforty.accounting.refused_figures import RefusedFiguresError
from sixtyforty.accounting.unvalued_decisions import count_unvalued, describe_unvalued
from sixtyforty.decisions import review_queue
from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.responses import answers_by_decision
from sixtyforty.lifecycle.name_ledger import ledger_heads
from sixtyforty.reports.named_actions import name_actions
from sixtyforty.reports.next_steps import Accounts, read_accounts, recommend_next_steps
from sixtyforty.spec.kpi_wording import describe_action
from sixtyforty.spec.money import format_money
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_date, format_plural
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.storage.restatement import was_restated
from sixtyforty.storage.security_log import TABLE as SECURITY_LOG
from sixtyforty.storage.security_log import has_security_log, open_security_log
from sixtyforty.storage.verdicts import read_verdict
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.daily_values import group_by_week
from sixtyforty.value.lift import NO_INTERVAL
from sixtyforty.workspace import Workspace

MAX_WEEKS = 5  # losing weeks that a message names
DECIDERS = {"model": "by the model", "fallback": "by fallback", "current_process": "by the current process"}
SPECIAL = {"review": "deferred to review", "holdout": "in the holdout", "shadow": "in shadow mode"}


def decider_section(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[str]:
    """Return the lines of a decider's digest: the number of decisions for each action, and the review queue."""
    use_case, entries = ws.use_case, ws.lake.entries(decisions_dataset(track), partitions)
    if not entries:
        return ["No decision has been taken yet."]
    with ws.lake.open_session(use_case.timezone) as db:
        query = f"select action, count(*) from {ws.lake.select_rows(entries.values())} group by 1"
        count_of_action: dict[str, int] = dict(db.execute(query).fetchall())
    so_far = " so far" if len(partitions) == 1 else ""
    lines = [f"{sum(count_of_action.values()):,} {use_case.kpi.unit_plural} decided{so_far}:"]
    # The most expensive actions come first, because they are work to do. If actions are amounts, the largest is first.
    actions = list(reversed(use_case.kpi.actions_by_cost)) or sorted(count_of_action, key=float, reverse=True)
    lines += [f"- {describe_action(action, use_case.kpi)}: {count_of_action.get(action, 0):,}" for action in actions]
    lines += name_actions(ws, track, sorted(entries))
    facts = [DecisionFacts.from_entry(entry) for entry in entries.values()]
    left = sum(partition.fallback + partition.current_process for partition in facts)
    if left:
        lines.append(f"The current process decided {left:,} of them because there was no model or no sound data.")
    return [*lines, *_review_lines(ws, track, partitions)]


def expert_section(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[str]:
    """Return the lines of an expert's digest: the decisions queued for review, and how many nobody has answered yet."""
    return _review_lines(ws, track, partitions) or ["Nothing waits for review."]


def _review_lines(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[str]:
    """Return lines about the review queue: decisions, unanswered decisions and money at stake; [] if it is empty."""
    queues = ws.lake.entries(review_queue.review_dataset(track), partitions)
    items = [item for partition in queues for item in review_queue.read_queue(ws, partition, track)]
    if not items:
        return []
    answer_of = answers_by_decision(ws, [item.decision_id for item in items])
    waiting = [item for item in items if item.decision_id not in answer_of]
    lines = [f"{format_plural(len(items), 'decision')} queued for review, {len(waiting):,} of them not answered yet."]
    if waiting:
        at_stake = format_money(sum(item.value_of_information for item in waiting), ws.use_case.kpi.currency)
        minutes = format_plural(sum(item.minutes for item in waiting), "minute")
        lines.append(f"Up to {at_stake} at stake in about {minutes} of review.")
    overflow = sum(review_queue.QueueFigures.from_entry(entry).overflow for entry in queues.values())
    if overflow:
        lines.append(f"The reviewers have no time for {overflow:,} more decisions.")
    return lines


def owner_section(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[str]:
    """Return the lines of an owner's digest: the gain in the period and in total, the KPI, people and next steps."""
    try:
        accounts = read_accounts(ws, track, partitions[-1])
    except RefusedFiguresError as error:
        return [str(error)]
    if not accounts.days:
        return ["No outcome is known yet."]
    period_days = [d for d in accounts.days if d.partition in set(partitions)]
    return [
        *_money_lines(ws, track, partitions, accounts, period_days),
        "",
        *_kpi_lines(ws.use_case, accounts),
        "",
        *_people_lines(ws, track, period_days),
        "",
        "Next steps",
        *(f"- {step}" for step in recommend_next_steps(ws.use_case, accounts)),
    ]


def _money_lines(
    ws: Workspace, track: Track, partitions: Sequence[str], accounts: Accounts, period_days: Sequence[DailyValue]
) -> list[str]:
    use_case, summary, unit = ws.use_case, accounts.summary, ws.use_case.kpi.currency
    lines = ["Money", f"- {_gain_sentence(use_case, period_days)}", *_count_lines(use_case, period_days)]
    if unvalued := describe_unvalued(use_case.kpi, count_unvalued(ws, track, partitions)):
        lines.append(f"- {unvalued}")
    since = format_date(use_case.first_day(accounts.days[0].partition))
    lines.append(f"- In total since {since}: {_gain_sentence(use_case, accounts.days)}")
    lines.append(f"- Of all decisions since then: {summary.deciders.describe()}")
    if summary.evidence:
        lines.append(f"- {summary.evidence}")
    lines += _done_lines(summary, use_case)
    if summary.build or summary.running:
        counted = summary.counted
        net = format_money(counted.net_impact, unit)
        lines.append(f"- Net benefit after the costs of building and running: {net} ({counted.costs_sentence}).")
    return lines


def _done_lines(summary: KpiSummary, use_case: UseCase) -> list[str]:
    """Return lines on the value of what people did next to the value of the decisions, or on why it is refused."""
    if summary.done_problem:
        return [f"- {summary.done_problem}"]
    if summary.done is None:
        return []
    lift, unit = summary.done.lift, use_case.kpi.currency
    per_1000, low, high = (format_money(amount, unit, signed=True) for amount in (lift.value, lift.low, lift.high))
    interval = lift.problem or NO_INTERVAL if lift.low is None else f"95% confidence interval: {low} to {high}"
    gain = f"{per_1000} per 1,000 {use_case.kpi.unit_plural} ({interval})"
    return [f"- {summary.done.describe(unit)}", f"- Gain with {summary.done.whose_answers}: {gain}."]


def _kpi_lines(use_case: UseCase, accounts: Accounts) -> list[str]:
    kpi, summary, coming = use_case.kpi, accounts.summary, accounts.forecasts.coming_month
    lines = [kpi.name, f"- {explain_target(kpi, summary.counted, summary.label, summary.invalid_because)}"]
    if not math.isnan(coming.low):
        gain, low, high = (format_money(amount, kpi.currency) for amount in (coming.value, coming.low, coming.high))
        lines.append(f"- Gain forecast for next month: {gain} per 1,000 {kpi.unit_plural}, between {low} and {high}.")
    if accounts.forecasts.terms:
        lines.append(f"- {accounts.forecasts.coverage}")
    return [*lines, f"- {_losing_weeks_sentence(accounts.days, kpi.currency)}"]


def _people_lines(ws: Workspace, track: Track, period_days: Sequence[DailyValue]) -> list[str]:
    people = ws.use_case.people
    differ, left = sum(d.differ for d in period_days), sum(d.fallback for d in period_days)
    lines = [
        "People",
        f"- {people.headcount} {people.role}s, {people.team}.",
        f"- {format_plural(differ, 'decision')} differed from the current process. The current process took {left:,}.",
    ]
    if people.responses:
        sentences = explain_acceptance(ws.use_case, summarize_acceptance(ws, track))
        lines += ["", "All answers so far", *(f"- {sentence}" for sentence in sentences)]
    return lines


def _count_lines(use_case: UseCase, period_days: Sequence[DailyValue]) -> list[str]:
    """Return a line with the counts of the same days as the period's money; none without days."""
    if not period_days:
        return []
    decisions, acted = sum(day.decisions for day in period_days), sum(day.acted for day in period_days)
    differ = sum(day.differ for day in period_days)
    actions, peak = format_plural(acted, "action"), max(day.acted for day in period_days)
    every = "an hour" if use_case.partitions.every == "hour" else f"a {use_case.partitions.every}"
    return [
        f"- The same days: {format_plural(decisions, 'decision')} with {actions}, at most {peak:,} in {every};"
        f" {differ:,} differed from the current process."
    ]


def _gain_sentence(use_case: UseCase, days: Sequence[DailyValue]) -> str:
    """Return a sentence with the gain of some days' decisions over the current process."""
    if not days:
        return "No outcome of these days is known yet."
    gain, count = sum(d.model - d.current_process for d in days), sum(d.decisions for d in days)
    unit = use_case.kpi.currency
    total, average = (format_money(amount, unit, signed=True) for amount in (gain, 1000 * gain / count))
    return f"{total} over the current process, on {count:,} {use_case.kpi.unit_plural} ({average} per 1,000)."


def _losing_weeks_sentence(days: Sequence[DailyValue], unit: str) -> str:
    """Return a sentence that names the weeks in which the current process did better, the newest week first."""
    gain_of_week = {week: sum(d.model - d.current_process for d in ds) for week, ds in group_by_week(days).items()}
    losing = [
        f"{format_date(date.fromisoformat(week))} ({format_money(gain, unit)})"
        for week, gain in gain_of_week.items()
        if gain < 0
    ]
    if not losing:
        return f"No losing week in {format_plural(len(gain_of_week), 'week')}."
    earlier = len(losing) - MAX_WEEKS
    more = f" and {earlier} earlier" if earlier > 0 else ""
    named = ", ".join(losing[::-1][:MAX_WEEKS])
    weeks = format_plural(len(gain_of_week), "week")
    return f"The current process did better in {len(losing)} of {weeks}: the week of {named}{more}."


def auditor_section(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[str]:
    """Return the lines of an auditor's digest: verdicts on the data, restatements, decisions and champions."""
    return [
        *_verdict_lines(ws, partitions),
        "",
        *_restatement_lines(ws, partitions),
        "",
        *_decision_lines(ws, track, partitions),
        "",
        *_champion_lines(ws, track, partitions),
        "",
        *_head_lines(ws),
    ]


def _head_lines(ws: Workspace) -> list[str]:
    """Return the heads of the ledgers. Nobody who changes the ledgers later can change a digest that was sent."""
    heads = ledger_heads(ws)
    if ws.database_url and has_security_log(ws.database_url):
        with open_security_log(ws.database_url) as log:
            heads |= {SECURITY_LOG: log.read_head()}
    lines = [f"- {name}:{rows}:{row_hash}" for name, (rows, row_hash) in heads.items()]
    return ["Heads of the ledgers, for `sixtyforty verify --head`", *(lines or ["- no ledger yet"])]


def _verdict_lines(ws: Workspace, partitions: Sequence[str]) -> list[str]:
    lines = ["Data"]
    for source in ws.use_case.sources:
        accepted = ws.lake.entries(f"validated/{source}", partitions)
        rejected = ws.lake.entries(f"rejected/{source}", partitions)
        verdicts = [read_verdict(e) for e in [*accepted.values(), *rejected.values()]]
        if not verdicts:
            continue
        rows = format_plural(sum(v.quarantined for v in verdicts), "row")
        named = f" ({', '.join(rejected)})" if rejected else ""
        warnings = sum(bool(v.warnings) for v in verdicts)
        lines.append(
            f"- {source}: {format_plural(len(accepted), 'partition')} accepted, {len(rejected)} rejected{named},"
            f" {warnings} with warnings; {rows} quarantined"
        )
    return lines


def _restatement_lines(ws: Workspace, partitions: Sequence[str]) -> list[str]:
    first, end = ws.use_case.opens_at(partitions[0]), ws.use_case.closes_at(partitions[-1])
    restated = [
        f"{e.dataset.partition('/')[2]} {e.partition}"
        for e in ws.lake.entries_replaced_between(first, end)
        if was_restated(e, ws.lake.entry(e.dataset, e.partition))
    ]
    return ["Restated", f"- {', '.join(dict.fromkeys(restated)) or 'no closed partition'}"]


def _decision_lines(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[str]:
    entries = ws.lake.entries(decisions_dataset(track), partitions).values()
    facts = [DecisionFacts.from_entry(entry) for entry in entries]
    counts = {label: sum(getattr(partition, name) for partition in facts) for name, label in DECIDERS.items()}
    special = {label: sum(getattr(partition, name) for partition in facts) for name, label in SPECIAL.items()}
    counts |= {label: count for label, count in special.items() if count}
    listed = ", ".join(f"{count:,} {label}" for label, count in counts.items())
    return ["Decisions", f"- {sum(counts.values()):,} decisions: {listed}"]


def _champion_lines(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[str]:
    first, end = ws.use_case.opens_at(partitions[0]), ws.use_case.closes_at(partitions[-1])
    rows = ws.champion_ledger.rows()  # raises an error if the hash chain is broken
    champion = ws.champion_ledger.champion_at(track, end)
    return [
        "Champions",
        f"- The hash chain of the ledger is intact ({format_plural(len(rows), 'row')})",
        *(
            f"- {row.effective_from.replace('T', ' ')} UTC: {row.verdict} {row.version} by {_judge(row)}"
            for row in ws.champion_ledger.rows_of(track)
            if first.isoformat() <= row.effective_from < end.isoformat()
        ),
        f"- In force: {champion.version if champion else 'none; the current process decides'}",
    ]


def _judge(row: ChampionRow) -> str:
    """Return who gave the verdict on a model version: the gate with its reasons, or `hand` for a person.

    The person's name and reasons are left out, because a message must contain no personal data.
    """
    return f"the gate: {'; '.join(row.reasons)}" if row.by == "gate" else f"hand ({row.kind})"


SECTIONS: dict[str, Callable[[Workspace, Track, Sequence[str]], list[str]]] = {
    "decider": decider_section,
    "expert": expert_section,
    "owner": owner_section,
    "auditor": auditor_section,
    "engineer": auditor_section,
}
