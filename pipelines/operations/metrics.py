"""Figures for a monitoring system, and whether all services of the home work: `/metrics` and `/healthz` of the watch.

A figure is calculated when it is requested. The pages listen on 127.0.0.1 only, behind the guard that refuses requests
of other websites.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import dagster as dg
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from desk.health import health_response
from desk.request_guard import RequestGuard
from pipelines.authoring import catalog
from pipelines.operations.backup_receipt import read_receipt
from pipelines.operations.heartbeat import LONGEST_PAUSE, seconds_since_look
from pipelines.operations.machine_watch import list_failing_services
from pipelines.operations.service_health import HEALTH
from pipelines.runtime.dagster_internals import unhealthy_daemons
from pipelines.settings import load_settings
from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.lifecycle.disk_budget import read_usage
from sixtyforty.reports.alerts import AlertHistory, parse_receipt
from sixtyforty.storage.receipts import Receipts
from sixtyforty.workspace import Workspace

HOST = "127.0.0.1"
STATES = {"queued": [dg.DagsterRunStatus.QUEUED], "started": [dg.DagsterRunStatus.STARTED]}


class ChainCollector(Collector):
    """Calculates the figures of the machine, of Dagster and of each use case. Times are seconds since 1970."""

    def collect(self) -> Iterator[Metric]:
        """Yield the figures. A use case with an invalid declaration is left out.

        A figure that can't be calculated is left out, and `sixtyforty_readable` of its use case is 0.
        """
        now, loaded = time.time(), catalog.load_workspaces_to_watch()
        workspaces = loaded.complete | {name: ws for name, (ws, _) in loaded.unread.items()}
        with dg.DagsterInstance.get() as instance:
            yield from _machine_metrics(now)
            yield from _dagster_metrics(instance, now)
            yield from _use_case_metrics(list(workspaces.values()), instance, now, set(loaded.unread))


def _machine_metrics(now: float) -> Iterator[Metric]:
    settings = load_settings()
    free = shutil.disk_usage(settings.home).free
    yield GaugeMetricFamily("sixtyforty_disk_free_bytes", "Free bytes on the disk of the home", value=free)
    if receipt := read_receipt(settings):
        age = receipt.age_hours(now) * 3600
        yield GaugeMetricFamily("sixtyforty_backup_age_seconds", "Age of the newest backup", value=age)
    seconds = seconds_since_look(settings, now)
    if seconds is not None:
        yield GaugeMetricFamily("sixtyforty_watch_age_seconds", "Time since the watch looked", value=seconds)


def _dagster_metrics(instance: dg.DagsterInstance, now: float) -> Iterator[Metric]:
    runs = GaugeMetricFamily("sixtyforty_runs", "Runs by state", labels=["state"])
    for state, statuses in STATES.items():
        runs.add_metric([state], instance.get_runs_count(dg.RunsFilter(statuses=statuses)))
    yield runs
    lag = GaugeMetricFamily("sixtyforty_tick_lag_seconds", "Time since the last tick of a sensor", labels=["sensor"])
    for sensor in instance.all_instigator_state():
        tick = getattr(sensor.instigator_data, "last_tick_timestamp", None)
        if sensor.is_running and tick:
            lag.add_metric([sensor.name], max(now - tick, 0.0))
    yield lag


def _use_case_metrics(
    workspaces: list[Workspace], instance: dg.DagsterInstance, now: float, unread: set[str]
) -> Iterator[Metric]:
    figures: dict[str, tuple[str, Callable[[Workspace], float]]] = {
        "sixtyforty_undelivered_seconds": (
            "Age of the oldest extract that landed after the newest delivery; 0 if all are delivered",
            lambda ws: _undelivered_seconds(ws, instance, now),
        ),
        "sixtyforty_fallback_share": ("Share of the newest live partition that was left to fallback", _fallback_share),
        "sixtyforty_refused_extracts": ("Refused extracts at their location", _count_refused),
        "sixtyforty_disk_used_bytes": (
            "Bytes of the disk that the use case takes, as measured within the last hour",
            lambda ws: read_usage(ws).total,
        ),
        "sixtyforty_gate_stopped": ("1 if a stage gate stopped the use case, otherwise 0", _is_stopped),
    }
    for name, (text, figure) in figures.items():
        metric = GaugeMetricFamily(name, text, labels=["use_case"])
        for ws in workspaces:
            try:
                metric.add_metric([ws.use_case.name], figure(ws))
            except Exception:  # the figure sixtyforty_readable says so, and the watch alerts with the reason
                unread.add(ws.use_case.name)
        yield metric
    readable = GaugeMetricFamily("sixtyforty_readable", "0 if a figure couldn't be calculated", labels=["use_case"])
    for ws in workspaces:
        readable.add_metric([ws.use_case.name], float(ws.use_case.name not in unread))
    yield readable
    alerts = GaugeMetricFamily("sixtyforty_open_alerts", "Open alerts by kind", labels=["use_case", "kind"])
    for ws in workspaces:
        kinds = list(AlertHistory.from_receipts(Receipts(ws.alert_receipts, parse_receipt).rows()).open_kinds.values())
        for kind in sorted(set(kinds)):
            alerts.add_metric([ws.use_case.name, kind], kinds.count(kind))
    yield alerts


def _undelivered_seconds(ws: Workspace, instance: dg.DagsterInstance, now: float) -> float:
    event = instance.get_latest_materialization_event(dg.AssetKey([ws.use_case.name, "delivery"]))
    delivered = event.timestamp if event else 0.0
    seen = [arrival.seen_at for source in ws.use_case.inputs for arrival in ws.landing.known(source)]
    times = [datetime.fromisoformat(f"{text}+00:00" if "+" not in text else text).timestamp() for text in seen if text]
    waiting = [at for at in times if at > delivered]
    return max(now - min(waiting), 0.0) if waiting else 0.0


def _fallback_share(ws: Workspace) -> float:
    dataset = decisions_dataset("live")
    newest = max(ws.lake.partitions(dataset), default=None)
    entry = ws.lake.entry(dataset, newest) if newest else None
    return DecisionFacts.from_entry(entry).fallback / entry.rows if entry and entry.rows else 0.0


def _count_refused(ws: Workspace) -> float:
    arrivals = (arrival for source in ws.use_case.sources for arrival in ws.landing.known(source))
    return sum(bool(arrival.problem) and arrival.is_present for arrival in arrivals)


def _is_stopped(ws: Workspace) -> float:
    event = ws.stage_ledger.current_verdict()
    return float(event is not None and event.event == "stop")


def list_problems(now: float) -> list[str]:
    """Return what doesn't work, as clauses: daemons, the watch, and the services that Supervisor runs.

    now: seconds since 1970.
    """
    settings = load_settings()
    with dg.DagsterInstance.get() as instance:
        problems = [f"no heartbeat of the {name} daemon" for name in unhealthy_daemons(instance, now)]
    seconds = seconds_since_look(settings, now)
    if seconds is None or abs(seconds) > LONGEST_PAUSE:
        problems.append("the watch hasn't looked" + ("" if seconds is None else f" for {seconds:.0f} s"))
    return problems + list_failing_services(settings)


def _health(request: Request) -> JSONResponse:
    return health_response(list_problems(time.time()))


def _figures(request: Request) -> Response:
    registry = CollectorRegistry()
    registry.register(ChainCollector())
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def build_app() -> Starlette:
    """Return the ASGI application with `/healthz` (200 or 503, JSON) and `/metrics` (Prometheus' text format)."""
    return Starlette(
        routes=[Route(HEALTH, _health), Route("/metrics", _figures)],
        middleware=[Middleware(RequestGuard, hosts=load_settings().pages_hosts)],
    )


def serve_metrics(port: int) -> None:
    """Serve the application on a port of 127.0.0.1, in a thread that ends with this process."""
    server = uvicorn.Server(uvicorn.Config(build_app(), host=HOST, port=port, log_level="warning", access_log=False))
    threading.Thread(target=server.run, name="metrics", daemon=True).start()
