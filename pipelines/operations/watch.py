"""`sixtyforty watch`: looks at Dagster and at the lake from outside, and tells people what is wrong.

Open-source Dagster tells nobody when a sensor dies, and a dead daemon can't. So this is a process of its own. What is
looked at: runs that failed for good; sensors and schedules that are on, but silent or failing; the daemon's
heartbeat; and what `sixtyforty.reports.alert_rules` says of the lake. A look that fails is told too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from pipelines.authoring import catalog
from pipelines.settings import prepare
from sixtyforty.reports.alert_rules import LOOKS
from sixtyforty.reports.alerts import Alert, Kind, Send, by_apprise, tell
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.scheduler.instigation import InstigatorState

RECENT = timedelta(days=7)  # failed runs older than this are history
SOON = 120.0  # seconds nobody calls silence
NEVER = 0.0


@dataclass(frozen=True)
class Clockwork:
    """What the declared sensors and schedules are called, and whose they are. None: they couldn't be loaded."""

    names: frozenset[str] | None

    @classmethod
    def declared(cls) -> Clockwork:
        """From the definitions; what was once declared and is no more is silent for good reason."""
        from pipelines.definitions import defs

        try:
            found = defs()
            return cls(frozenset(s.name for s in [*(found.sensors or []), *(found.schedules or [])]))
        except Exception:  # then all that ever ticked counts: code that doesn't load is why it is silent
            return cls(None)


def failed_runs(instance: dg.DagsterInstance, use_case: str, now: float) -> list[Alert]:
    """Runs of a use case that failed in the last days and won't be tried again."""
    import dagster as dg
    from dagster._core.storage.tags import WILL_RETRY_TAG

    since = datetime.fromtimestamp(now, UTC) - RECENT
    runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since))
    found = []
    for run in runs:
        if run.tags.get(WILL_RETRY_TAG) == "true" or use_case not in _owners(run, catalog.names()):
            continue
        steps = [s.step_key for s in instance.get_run_step_stats(run.run_id) if s.status and s.status.name == "FAILURE"]
        where = f" in {', '.join(sorted(steps))}" if steps else ""
        days = run.tags.get("dagster/partition") or " to ".join(
            run.tags[t]
            for t in ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
            if t in run.tags
        )
        text = f"run {run.run_id[:8]} failed{where}{f', days {days}' if days else ''}. Its page in Dagster says why."
        found.append(Alert("failed run", run.run_id, text))
    return found


def _owners(run: dg.DagsterRun, names: Iterable[str]) -> set[str]:
    """The use cases a run is of; all of them, when that can't be told."""
    of = {k.path[0] for k in run.asset_selection or ()} | {run.job_name}
    mine = {n for n in names if n in of or run.job_name.startswith(f"{n}_")}
    return mine or set(names)


def silent(instance: dg.DagsterInstance, use_case: str, now: float, clockwork: Clockwork, ticks: float) -> list[Alert]:
    """The daemon when it has no heartbeat; else each sensor and schedule that is on and silent, or failed last."""
    from dagster._daemon.controller import get_daemon_statuses

    statuses = get_daemon_statuses(
        instance, instance.get_required_daemon_types(), curr_time_seconds=now, ignore_errors=True
    )
    dead = sorted(name.lower() for name, s in statuses.items() if s.required and not s.healthy)
    if dead:
        text = f"Dagster's daemon has no heartbeat ({', '.join(dead)}): nothing is looked for, started or retried."
        return [Alert("not ticking", "daemon", text)]
    found = []
    for state in instance.all_instigator_state():
        known = clockwork.names is None or state.name in clockwork.names
        if state.is_running and known and _mine(state.name, use_case):
            why = _amiss(instance, state, now, ticks)
            found += [Alert("not ticking", state.name, f"{state.name} {why}")] if why else []
    return found


def _mine(name: str, use_case: str) -> bool:
    owner = max((n for n in catalog.names() if name.startswith(f"{n}_")), key=len, default=None)
    return owner in (None, use_case)


def _amiss(instance: dg.DagsterInstance, state: InstigatorState, now: float, ticks: float) -> str | None:
    last = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    if last and last[0].status.name == "FAILURE":
        error = last[0].error
        while error is not None and error.cause is not None:
            error = error.cause
        return f"failed at its last look ({error.cls_name if error else 'unknown'}). Its page in Dagster says why."
    data: Any = state.instigator_data
    if data is None:
        return None
    sensor = hasattr(data, "min_interval")
    began = data.last_sensor_start_timestamp if sensor else data.start_timestamp
    heard = max(
        last[0].timestamp if last else NEVER, getattr(data, "last_tick_timestamp", None) or NEVER, began or NEVER
    )
    limit = max(SOON, ticks * (data.min_interval or 30)) if sensor else patience(data.cron_schedule, now)
    if heard and now - heard > limit:
        return f"has been silent since {datetime.fromtimestamp(heard, UTC):%Y-%m-%d %H:%M} UTC."
    return None


def patience(cron: str | Sequence[str], now: float) -> float:
    """Seconds a schedule may be silent: its longest pause and a quarter, as clocks change and weekends are long."""
    from dagster._utils.schedules import cron_string_iterator

    pauses = []
    for one in [cron] if isinstance(cron, str) else cron:
        times = islice(cron_string_iterator(now, one, "UTC"), 10)
        pauses.append(max(b.timestamp() - a.timestamp() for a, b in pairwise(times)))
    return SOON + 1.25 * min(pauses)


def look(ws: Workspace, track: str, send: Send, clockwork: Clockwork, now: float) -> list[dict[str, Any]]:
    """One look at one use case: tells what is new, and returns the receipts."""
    found: list[Alert] = []
    looked: set[Kind] = set()

    def ask(kinds: set[Kind], what: str, question: Callable[[], list[Alert]]) -> None:
        try:
            found.extend(question())
            looked.update(kinds)
        except Exception as error:  # not to be able to look is worth telling, and no reason to be silent on the rest
            text = f"{what} can't be looked at ({type(error).__name__}). sixtyforty doctor says more."
            found.append(Alert("not ticking", what, text))

    for kind, question in LOOKS.items():
        ask({kind}, f"the lake, for {kind},", lambda question=question: question(ws, track))  # type: ignore[misc]
    ask({"failed run", "not ticking"}, "Dagster", lambda: _dagster(ws, clockwork, now))
    return tell(ws.use_case.name, ws.receipts, found, looked, ws.use_case.alerts, os.environ, send)


def _dagster(ws: Workspace, clockwork: Clockwork, now: float) -> list[Alert]:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        name = ws.use_case.name
        return failed_runs(instance, name, now) + silent(
            instance, name, now, clockwork, ws.use_case.watch.max_silent_intervals
        )


def watch(track: str, every: float | None, say: Callable[[dict[str, Any]], None], send: Send = by_apprise) -> None:
    """Looks at every use case, once or each `every` seconds, and says each receipt."""
    prepare()
    clockwork = Clockwork.declared()
    told_of: dict[str, str] = {}
    while True:
        found, broken = catalog.complete()
        for name, ws in found.items():
            for row in look(ws, track, send, clockwork, time.time()):
                say({"use_case": name, **row})
        for name, text in broken.items():
            if told_of.get(name) != text:  # whom its alerts go to can't be read either
                say({"use_case": name, "kind": "broken declaration", "text": text, "to": "the console", "why": None})
        told_of = broken
        if every is None:
            return
        time.sleep(every)


def told(row: dict[str, Any]) -> str:
    """A receipt as a line for the console."""
    if row.get("resolved"):
        return f"{row['use_case']}: resolved: {row['kind']}"
    became = f"not sent to {row['to']}: {row['why']}" if row["why"] else f"to {row['to']}"
    return f"{row['use_case']}: {row['kind']}: {row['text']} ({became})"
