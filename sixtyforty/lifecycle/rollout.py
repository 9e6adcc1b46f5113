"""Going live step by step: shadow, holdout, full. One step at a time, up only where people and figures bear it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sixtyforty.accounting import acceptance, experiment_ledger, kpi_ledger
from sixtyforty.decisions.deciding import begins, dataset
from sixtyforty.spec.use_case import Rollout
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.rollout_ledger import STEPS, Name, Step
from sixtyforty.value.lift import Day, Interval, day, lift
from sixtyforty.value.policy import Policy
from sixtyforty.workspace import Workspace


class RolloutError(ValueError):
    """Why a step can't be taken."""


@dataclass(frozen=True)
class Standing:
    """The step in force since a UTC moment, its whole days with known outcomes, and what stands against the next.

    `lift`: the gain per 1,000 on those days, in shadow as it would have been; None where that can't be known.
    """

    step: Name
    since: datetime
    days: int
    lift: Interval | None
    against: list[str]

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON: money to the cent; what isn't known is null."""
        found = self.lift and {k: None if v != v else round(v, 2) for k, v in self.lift.__dict__.items()}
        return {"step": self.step, "since": f"{self.since}", "days": self.days, "lift": found, "against": self.against}


def unaccepted(ws: Workspace) -> list[str]:
    """What in people's use of the live decisions stands against going on."""
    return acceptance.holds(ws, acceptance.facts(ws, "live"))


def may_go_up(rollout: Rollout, step: Name, days: int, lift: Interval | None, unaccepted: list[str]) -> list[str]:
    """The reasons against the next step, `unaccepted` by people among them; none: it may be taken."""
    if step == STEPS[-1]:
        return ["there is no step above full"]
    against = [*unaccepted]
    if days < rollout.min_days:
        against.append(f"{days} whole days of this step have outcomes, {rollout.min_days} are needed")
    if lift is not None and not lift.low > 0:
        against.append(
            "nothing can be said of this step's figures yet"
            if lift.value != lift.value
            else f"the gain over the current process isn't proven in this step: {lift.value:+,.0f} per 1,000"
            + ("" if lift.low != lift.low else f" [{lift.low:+,.0f} to {lift.high:+,.0f}]")
        )
    return against


def standing(ws: Workspace, moment: datetime) -> Standing:
    """Where the rollout stands at a UTC moment. Raises RolloutError where none is declared, or nothing is live."""
    rollout, start = ws.use_case.automation.rollout, begins(ws, "live")
    if rollout is None:
        raise RolloutError(f"{ws.use_case.name} declares no automation.rollout: live, the model decides all")
    if start is None:
        raise RolloutError(f"{ws.use_case.name} isn't live yet: `sixtyforty adopt` comes first")
    taken = ws.rollout.in_force(moment)
    step: Name = taken.step if taken else STEPS[0]
    since = max(datetime.fromisoformat(taken.effective_from), start) if taken else start
    whole = [p for p in ws.lake.entries(dataset("live")) if ws.use_case.opens(p) >= since]
    known, gained = _gained(ws, step, whole)
    days = round(known * ws.use_case.days_apart)
    return Standing(step, since, days, gained, may_go_up(rollout, step, days, gained, unaccepted(ws)))


def _gained(ws: Workspace, step: Name, partitions: list[str]) -> tuple[int, Interval | None]:
    """How many of these days have outcomes, and the gain on them.

    In shadow an action that may change the outcome has shown nothing. Later it is that of the arms, safe at any look.
    """
    if experiment_ledger.randomized(ws.use_case, "live"):
        accounts = (e.facts for e in ws.lake.entries(experiment_ledger.ACCOUNT, partitions).values())
        known = [f for f in accounts if f["decisions"] + f["beside"]]
        found = experiment_ledger.measured(ws, partitions)
        nothing = Interval(float("nan"), float("nan"), float("nan"))
        return len(known), None if step == "shadow" else found.lift if found and found.sound else nothing
    days = shadow_days(ws, partitions) if step == "shadow" else kpi_ledger.days(ws, "live")
    days = [d for d in days if d.partition in partitions]
    return len(days), lift(days)


def shadow_days(ws: Workspace, partitions: Sequence[str] | None = None) -> list[Day]:
    """The money of live days, these or all, had what the model suggested in shadow been done: that is their `model`.

    Where it suggested nothing (its data weren't sound), the current process's. An exact KPI's only.
    """
    decided = ws.lake.entries(dataset("live"), partitions)
    outcomes = ws.lake.entries("outcomes", list(decided))
    decided = {p: decided[p] for p in outcomes}
    if not decided:
        return []
    case, key = ws.use_case, ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
    features = ws.lake.rows(ws.lake.entries("features", list(decided)).values())
    with connect(case.timezone) as db:
        rows = db.execute(
            f"""select f.* exclude current_action, d.current_action, d.action, d.expected as _expected,
            d.decided_by, o."{case.kpi.outcome}" as _outcome from {ws.lake.rows(decided.values())} d
            join {ws.lake.rows(outcomes.values())} o using (_partition, {key})
            left join {features} f using (_partition, {key})
            where o."{case.kpi.outcome}" is not null order by d._partition, d.decision_id"""
        ).df()
    shadow = (rows["decided_by"] == "shadow").to_numpy()
    if shadow.any():
        mine = rows[shadow].reset_index(drop=True)
        rows.loc[shadow, "action"] = Policy.of(case).take(mine, mine["_expected"].to_numpy(float)).action
    return [day(case.kpi, str(p), g, g["_outcome"].to_numpy(float)) for p, g in rows.groupby("_partition", sort=True)]


def up(ws: Workspace, by: str, why: str, moment: datetime) -> Step:
    """Takes the next step, from `moment` on. Raises RolloutError with every reason against it."""
    now = standing(ws, moment)
    if now.against:
        raise RolloutError(f"it stays at {now.step}: {'; '.join(now.against)}")
    return _take(ws, STEPS[STEPS.index(now.step) + 1], by, why, moment, now)


def down(ws: Workspace, by: str, why: str, moment: datetime) -> Step:
    """Goes back a step, from `moment` on: whoever wants to may, whenever."""
    now = standing(ws, moment)
    if now.step == STEPS[0]:
        raise RolloutError("there is no step below shadow: the current process decides all already")
    return _take(ws, STEPS[STEPS.index(now.step) - 1], by, why, moment, now)


def _take(ws: Workspace, step: Name, by: str, why: str, moment: datetime, now: Standing) -> Step:
    at = moment.isoformat(timespec="seconds")
    return ws.rollout.take(step, by=by, why=why, effective_from=at, evidence=now.plain)
