"""From proof of concept to retirement: what a stage's gate says of the figures, and the steps people take on it.

A poc is judged on past decisions relived, as of the day they have been relived to: when the outcomes of the newest
partition accounted for could be known; what is live, at the moment itself. Until its stop date a stage is looked at
daily, so its interval is the always-valid one, tightest at the stop date; on that day the one look that was planned is
taken, with the interval of a single look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest
from typing import Any

from sixtyforty.accounting import experiment_ledger, kpi_ledger
from sixtyforty.lifecycle import training
from sixtyforty.spec.stages import STAGES, Stage, StageGate
from sixtyforty.storage.stage_ledger import Passage
from sixtyforty.value.experiment import Effect
from sixtyforty.value.lift import Day, Interval
from sixtyforty.workspace import Workspace

CHAIN = "chain"
UNKNOWN = Interval(math.nan, math.nan, math.nan)


class StageError(ValueError):
    """Why a step can't be taken."""


@dataclass(frozen=True)
class Standing:
    """The stage in force since a UTC moment, what its gate says, and what stands against its passing.

    `partitions`: with known outcomes in this stage; `lift` on them, per 1,000. `today`: the local day it is judged on.
    """

    stage: Stage
    since: datetime
    gate: StageGate | None
    said: str | None  # pass, continue or stop; None: there is no gate
    track: str
    label: str
    partitions: int
    lift: Interval
    today: date
    against: list[str]

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON; what isn't known is null."""
        lift = {k: None if v != v else round(v, 2) for k, v in self.lift.__dict__.items()}
        return {
            "stage": self.stage,
            "since": f"{self.since}",
            "verdict": self.said,
            "track": self.track,
            "label": self.label,
            "partitions": self.partitions,
            "lift": lift,
            "today": str(self.today),
            "against": self.against,
            "gate": self.gate.model_dump(mode="json") if self.gate else None,
        }


def interval(days: Sequence[Day], planned: float, final: bool) -> Interval:
    """Lift per 1,000 over the current process, whole partitions its unit of chance; fewer than two: unknown.

    Until the end (`final`) that of the always-valid interval, planned for so many partitions: NaN before it begins.
    """
    import numpy as np

    gained = np.array([d.model - d.current_process for d in days])
    counts = np.array([d.decisions for d in days], float)
    if len(days) < 2 or not counts.sum():
        return UNKNOWN
    per, n = gained.sum() / counts.sum(), len(days)
    error = math.sqrt(n / (n - 1) * float(((gained - per * counts) ** 2).sum())) / counts.sum()
    found = Effect(per, error, n - 1.0, float(n), 0.0, 0.0, n)
    low, high = found.interval() if final else found.always(max(planned, 2.0))
    return Interval(*(1000 * float(v) for v in (per, low, high)))


def judge(
    gate: StageGate, partitions: int, lift: Interval, today: date, unready: list[str], stage: Stage = "poc"
) -> tuple[str, list[str]]:
    """pass, continue or stop, and the reasons against passing; `unready`: those that aren't of the figures.

    What is in production isn't ended for a gain that is proven and only short of its target.
    """
    against, ended = [], today >= gate.stop_date
    if partitions < gate.minimum_partitions:
        against.append(f"{partitions} partitions of this stage have outcomes, {gate.minimum_partitions} are needed")
    if not lift.low > 0:
        against.append(
            "the gain over the current process isn't proven" + ("" if lift.value != lift.value else f": {_told(lift)}")
        )
    if not lift.value >= gate.target:
        against.append(f"the target of {gate.target:+,.0f} per 1,000 isn't reached")
    if not against:
        return ("continue" if unready else "pass"), unready
    if ended and not (stage == "production" and lift.low > 0):
        return "stop", [f"it hadn't passed by {gate.stop_date}, the day it was to", *against, *unready]
    if partitions >= gate.minimum_partitions and lift.high < gate.minimum_gain:
        least = f"surely less than the {gate.minimum_gain:+,.0f} per 1,000 that would be worth having: {_told(lift)}"
        return "stop", [least, *against, *unready]
    return "continue", [*against, *unready]


def _told(lift: Interval) -> str:
    known = "" if lift.low != lift.low else f" [{lift.low:+,.0f} to {lift.high:+,.0f}]"
    return f"{lift.value:+,.0f} per 1,000{known}"


def standing(ws: Workspace, moment: datetime) -> Standing:
    """Where it stands at a UTC moment, by the gate as it was registered. Raises StageError where none is declared."""
    declared = ws.use_case.stages
    if declared is None:
        raise StageError(f"{ws.use_case.name} declares no stages: no gate judges it, and it can't go up")
    row = ws.progress.registered()
    stage: Stage = row.stage if row else "poc"
    gate = row.gate if row else declared.poc
    since = next((r.at for r in reversed(ws.progress.entered())), moment)
    track = "replay" if stage == "poc" else "live"
    days, lift, label, today = _figures(ws, stage, since, moment, gate)
    if gate is None:
        return Standing(stage, since, None, None, track, label, days, lift, today, [])
    said, against = judge(gate, days, lift, today, _unready(ws, gate), stage)
    stopped = ws.progress.verdict()
    if stopped and stopped.said == "stop":  # what comes in afterwards was not what it was promised by
        said, against = "stop", [stopped.why]
    return Standing(stage, since, gate, said, track, label, days, lift, today, against)


def _figures(
    ws: Workspace, stage: Stage, since: datetime, moment: datetime, gate: StageGate | None
) -> tuple[int, Interval, str, date]:
    """How many partitions are known, their lift, its label, and the local day they are judged on."""
    case, track = ws.use_case, "replay" if stage == "poc" else "live"
    label = kpi_ledger.label(case, track)
    stop, known, today = gate.stop_date if gate else None, ws.lake.partitions(f"kpi/{track}"), case.local_day(moment)
    if track == "live":
        step = ws.rollout.in_force(moment)
        if case.automation.rollout and (step is None or step.step == "shadow"):
            return 0, UNKNOWN, label, today  # nobody has followed it yet
        begun = max(since, datetime.fromisoformat(step.effective_from)) if step else since
        known = [p for p in known if case.opens(p) >= begun]
    else:
        today = case.day_of(case.shift(known[-1], 1 + case.outcome_horizon_partitions)) if known else date.min
    if stop is not None:
        known = [p for p in known if case.day_of(p) < stop]
    if experiment_ledger.randomized(case, track):
        found = experiment_ledger.measured(ws, known)
        return len(known), found.lift if found and found.sound else UNKNOWN, label, today
    days = [d for d in kpi_ledger.days(ws, track) if d.partition in set(known)]
    if not days or stop is None:
        return len(days), UNKNOWN, label, today
    span = case.number(case.key(stop)) - case.number(days[0].partition)
    return len(days), interval(days, span / case.decision.every_partitions, today >= stop), label, today


def _unready(ws: Workspace, gate: StageGate) -> list[str]:
    """What of the people stands against passing."""
    found, have, done = [], len(ws.use_case.people.research), training.share(ws) or 0.0
    if have < gate.minimum_findings:
        found.append(f"{have} findings of user research are declared, {gate.minimum_findings} are needed")
    if done < gate.minimum_trained_share:
        found.append(f"{done:.0%} of the training is done, {gate.minimum_trained_share:.0%} is needed")
    return found


def record(ws: Workspace, moment: datetime) -> Standing:
    """Judges, and has it in the ledger where the verdict is another than the last. The first time registers the poc."""
    _begun(ws, moment)
    now = standing(ws, moment)
    if now.said is not None:
        reached = "reached, if what is assumed holds" if now.label == "assumed" else "reached and proven"
        why = "; ".join(now.against) or f"the gate's target is {reached}"
        _add(ws, now.stage, now.said, CHAIN, why, moment, now.plain)
    return now


def _begun(ws: Workspace, moment: datetime) -> None:
    declared = ws.use_case.stages
    if declared and not ws.progress.rows():
        _add(ws, "poc", "enter", CHAIN, "registered when it was first judged", moment, _evidence(declared.poc))


def up(ws: Workspace, by: str, why: str, moment: datetime) -> Passage:
    """Enters the next stage, if the gate has passed; its own is registered. Raises StageError with what is against."""
    now = record(ws, moment)
    if now.stage in STAGES[2:]:
        raise StageError(f"there is no stage above {now.stage} to go up to")
    following = STAGES[STAGES.index(now.stage) + 1]
    against = [] if now.said == "pass" else list(now.against)
    if following == "production" and now.label == "assumed":
        against.append("its figures are assumed: production needs exact or randomized ones, so let a holdout run first")
    assert ws.use_case.stages is not None  # or there was no standing
    gate = ws.use_case.stages.gate(following)
    if gate is None:
        against.append(f"stages.{following} declares no gate: say first by what, and by when, it is to be judged")
    if against:
        raise StageError(f"it stays in {now.stage}: {'; '.join(against)}")
    return _add(ws, following, "enter", by, why, moment, now.plain | _evidence(gate))


def retire(ws: Workspace, by: str, why: str, moment: datetime) -> Passage:
    """Retires it, from any stage and for good: from `moment` on the current process decides; all that was stays."""
    _begun(ws, moment)
    last = ws.progress.registered()
    if last is not None and last.stage == "retired":
        raise StageError(f"it is retired since {last.effective_from} UTC")
    return _add(ws, "retired", "enter", by, why, moment, {})


def register(ws: Workspace, by: str, why: str, moment: datetime) -> Passage:
    """Registers the declared gate of the stage in force anew, with the reason: the one before stays on record."""
    _begun(ws, moment)
    now = standing(ws, moment)
    assert ws.use_case.stages is not None
    gate = ws.use_case.stages.gate(now.stage)
    if gate is None or gate == now.gate:
        raise StageError(f"stages.{now.stage} declares no other gate than the one registered: change defs.yaml first")
    return _add(ws, now.stage, "gate", by, why, moment, _evidence(gate))


def differs(ws: Workspace) -> list[str]:
    """Where the declaration says otherwise than the ledger: the stage, or a gate changed after it was registered."""
    case, row = ws.use_case, ws.progress.registered()
    stage, found = row.stage if row else "poc", []
    if case.stages and case.stage != stage:
        found.append(f"stage: {case.stage} is declared, {stage} is what it has earned (`sixtyforty stage {case.name}`)")
    if case.stages and row and row.gate is not None and row.gate != case.stages.gate(row.stage):
        found.append(f"stages.{row.stage} isn't the gate registered on {row.effective_from[:10]}, which counts")
    return found


def earned(ws: Workspace) -> Stage:
    """The stage it is in: what it has earned or, where no gates are declared, what it says."""
    row = ws.progress.registered()
    return row.stage if row else "poc" if ws.use_case.stages else ws.use_case.stage


def lead_times(ws: Workspace, moment: datetime) -> list[dict[str, Any]]:
    """Each stage it was in, from when to when (UTC; None: it still is), and for how many days; the idea before them."""
    rows, found = ws.progress.entered(), list[dict[str, Any]]()
    idea = ws.use_case.stages.idea_date if ws.use_case.stages else None
    if idea and rows:
        found.append(_spell("idea", ws.use_case.starts(idea), rows[0].at))
    for row, after in zip_longest(rows, rows[1:]):
        if row.stage != "retired":
            found.append(_spell(row.stage, row.at, after.at if after else None, moment))
    return found


def _spell(stage: str, since: datetime, until: datetime | None, now: datetime | None = None) -> dict[str, Any]:
    days = ((until or now or since) - since).total_seconds() / 86400
    return {
        "stage": stage,
        "from": f"{since:%Y-%m-%d}",
        "to": f"{until:%Y-%m-%d}" if until else None,
        "days": round(days, 1),
    }


def _evidence(gate: StageGate | None) -> dict[str, Any]:
    return {"gate": gate.model_dump(mode="json") if gate else None}


def _add(
    ws: Workspace, stage: Stage, said: str, by: str, why: str, moment: datetime, evidence: dict[str, Any]
) -> Passage:
    fields = {
        "stage": stage,
        "said": said,
        "by": by,
        "why": why,
        "evidence": evidence,
        "effective_from": moment.isoformat(timespec="seconds"),
    }

    def there(rows: list[Passage]) -> Passage | None:
        """The last row, where it says so already; a stop isn't taken back by what comes in after it."""
        last = rows[-1] if rows else None
        if last is None or ((last.stage, last.said) == (stage, said) and said != "gate"):
            return last
        return last if last.said == "stop" and said in ("pass", "continue") else None

    return ws.progress.add(fields, there)
