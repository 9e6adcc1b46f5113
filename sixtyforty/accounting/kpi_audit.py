"""Audit the KPI ledger: recompute the money of each account in SQL, which shares no code with the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty.accounting import experiment_audit
from sixtyforty.accounting.kpi_ledger import KpiAccount, known_outcome_sql, kpi_dataset
from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.track import Track
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.value import candidates
from sixtyforty.value.daily_value import CANDIDATE_PREFIX
from sixtyforty.value.payoff_sql import payoff_sql
from sixtyforty.value.unit_groups import DECISIONS
from sixtyforty.workspace import Workspace

TOLERANCE = 0.005  # half a cent: the order in which doubles are added changes the last digits


def find_differences(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[str]:
    """Return one line of text for each partition whose KPI account differs from the payoffs that SQL adds up.

    Another line follows if the groups of units in the account don't add up to the account.
    A candidate that was declared after an account was written is missing from the account, so the audit skips it.
    """
    if ws.use_case.is_randomized(track):
        return experiment_audit.find_differences(ws, partitions)
    accounts = {p: KpiAccount.from_entry(e) for p, e in ws.lake.entries(kpi_dataset(track), partitions).items()}
    if not accounts:
        return []
    names = _audited_candidates(ws)
    sums = _sum_payoffs(ws, track, list(accounts), names)
    ways, differences = ["decisions", "current process", *names], []
    for partition, account in accounts.items():
        stated = [account.model, account.current_process, *(account.candidates.get(name) for name in names)]
        recomputed = sums.get(partition, [0.0] * len(stated))
        pairs = zip(stated, recomputed, strict=True)
        if any(s is not None and (r is None or abs(s - r) > TOLERANCE) for s, r in pairs):
            differences.append(
                f"{partition}: the KPI account states {_join_money(stated)} ({', '.join(ways)}), but SQL computes"
                f" {_join_money(recomputed)}"
            )
        differences += [f"{partition}: {difference}" for difference in _compare_groups(account)]
    return differences


def _compare_groups(account: KpiAccount) -> list[str]:
    """Return a text for each figure of an account that differs from the sum over its groups of units."""
    figures = {DECISIONS: account.decisions, **{name: getattr(account, name) for name in ("model", "current_process")}}
    figures |= {CANDIDATE_PREFIX + name: money for name, money in account.candidates.items()}
    sums = {name: sum(amounts) for name, amounts in (account.unit_groups or {}).items()}
    return [
        f"the KPI account states {figures.get(name, 0.0):.2f} ({name}), but its groups of units add up to {total:.2f}"
        for name, total in sums.items()
        if abs(figures.get(name, 0.0) - total) > TOLERANCE
    ]


def _audited_candidates(ws: Workspace) -> list[str]:
    """Return the names of the candidates whose actions the audit can recompute in SQL.

    If an action has a limit, units are ranked by a candidate's expected outcomes, and the audit has no SQL for that.
    """
    kpi = ws.use_case.kpi
    return [name for name, c in kpi.candidates.items() if not (kpi.has_limits and c.expected_outcome)]


def _sum_payoffs(
    ws: Workspace, track: Track, partitions: Sequence[str], names: Sequence[str]
) -> dict[str, list[float | None]]:
    """Return for each partition the money of the decisions, of the current process and of each candidate in `names`."""
    kpi, key = ws.use_case.kpi, identifiers(ws.use_case.decision.key)
    decisions = ws.lake.select_rows(ws.lake.entries(decisions_dataset(track), partitions).values())
    outcomes = ws.lake.select_rows(ws.lake.entries("outcomes", partitions).values())
    policies = ["action", "current_action", *(f"a{i}" for i in range(len(names)))]
    actions = "".join(f", {candidates.candidate_action_sql(ws.use_case, name)} as a{i}" for i, name in enumerate(names))
    priced = "".join(f", {identifier(c)}" for c in (*kpi.payoff_sql, *kpi.outcome_columns[1:]))
    join, held_back = "", ", ".join(map(literal, HELD_OUT))
    with ws.lake.open_session(ws.use_case.timezone) as db:
        if names or kpi.payoff_sql:
            known_then = candidates.candidates_sql(ws.use_case, ws.lake, db, partitions, names, kpi.payoff_sql)
            join = f"left join {known_then} using (_partition, {key})"
        rows = db.execute(
            f"""with rows as (
                select _partition, d.decided_by, d.action, d.current_action,
                    {known_outcome_sql(kpi)} as outcome{priced}{actions}
                from {decisions} d join {outcomes} o using (_partition, {key}) {join})
            select _partition{"".join(f", sum({payoff_sql(kpi, policy, 'outcome')})" for policy in policies)}
            from rows where outcome is not null and decided_by not in ({held_back}) group by 1"""
        ).fetchall()
    return {partition: sums for partition, *sums in rows}


def _join_money(amounts: Sequence[float | None]) -> str:
    return ", ".join("nothing" if amount is None else f"{amount:.2f}" for amount in amounts)
