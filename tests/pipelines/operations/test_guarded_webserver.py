"""A page of another website drives Dagster's web server without the guard, and nothing behind it."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import dagster as dg
import pytest
from dagster_graphql import DagsterGraphQLClient

from desk.request_guard import WebRequest
from pipelines.operations.guarded_webserver import REPORT_HEADER, refuse_unsafe_call
from pipelines.settings import prepare_dagster_home
from tests.browsers import open_chromium
from tests.homes import use_home
from tests.webservers import open_webserver

REPOSITORY = 'repositoryLocationName: "sixtyforty", repositoryName: "__repository__"'
SENSOR = "flight_delays_new_data"
START_SENSOR = f'mutation {{ startSensor(sensorSelector: {{{REPOSITORY}, sensorName: "{SENSOR}"}}) {{ __typename }} }}'
JOB = f'{{{REPOSITORY}, jobName: "housekeeping"}}'
LAUNCH_RUN = f"mutation {{ launchRun(executionParams: {{selector: {JOB}, runConfigData: {{}}}}) {{ __typename }} }}"
WIPED, FORGED = "wiped", "forged"
WIPE_ASSETS = f'mutation {{ wipeAssets(assetPartitionRanges: [{{assetKey: {{path: ["{WIPED}"]}}}}]) {{ __typename }} }}'

# Each attack is JavaScript of the foreign page. It ends when the browser has the answer; `target` is Dagster's address.
IMAGE = "new Promise(done => { const i = new Image(); i.onload = i.onerror = done; i.src = address; })"
FORM = """new Promise(done => {
    const frame = Object.assign(document.createElement('iframe'), {name: 'f' + Math.random()});
    const form = Object.assign(document.createElement('form'), {method: 'post', action: address, target: frame.name});
    document.body.append(frame, form);
    frame.onload = done;
    form.submit();
})"""
FETCH = "fetch(address, {method: 'POST', mode: 'no-cors'}).catch(() => null)"
WEBSOCKET = """new Promise(done => {
    const socket = new WebSocket(address.replace('http', 'ws'), 'graphql-ws');
    socket.onopen = () => socket.send(JSON.stringify({type: 'connection_init'}));
    socket.onmessage = message => done(message.data);
    socket.onclose = () => done('closed');
})"""
ACKNOWLEDGED = '{"type":"connection_ack"}'


class SilentPage(http.server.SimpleHTTPRequestHandler):
    """A website that serves its files and writes no log."""

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def foreign_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page on another origin. Its name resolves to this machine, as after DNS rebinding."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("<!doctype html><title>A page</title><body>")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SilentPage, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://attacker.example:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def tab(foreign_page: str) -> Iterator[Any]:
    """A window of Chromium in which the foreign page's name resolves to this machine."""
    with open_chromium("--host-resolver-rules=MAP attacker.example 127.0.0.1") as chromium:
        yield chromium.new_page()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one materialized asset."""
    use_home(monkeypatch, tmp_path)
    prepare_dagster_home()
    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(WIPED))
    return tmp_path


def run_script(tab: Any, script: str, address: str) -> str:
    """Run a script of the window's page with an address. Return its result as text."""
    return str(tab.evaluate(f"async address => String(await {script})", address))


def attack(tab: Any, foreign_page: str, server: str) -> dict[str, bool]:
    """Let the foreign page attack Dagster's web server. Return for each attack whether it had an effect."""
    tab.goto(foreign_page)
    run_script(tab, IMAGE, f"{server}/graphql?query={quote(START_SENSOR)}")
    run_script(tab, FORM, f"{server}/graphql?query={quote(LAUNCH_RUN)}")
    run_script(tab, FETCH, f"{server}/graphql?query={quote(WIPE_ASSETS)}")
    run_script(tab, FETCH, f"{server}/report_asset_materialization/{FORGED}")
    answer = run_script(tab, WEBSOCKET, f"{server}/graphql")
    rebound = tab.goto(f"http://attacker.example:{urlsplit(server).port}/server_info")
    with dg.DagsterInstance.get() as instance:
        started = [state.name for state in instance.all_instigator_state() if state.is_running]
        return {
            "mutation by an image": SENSOR in started,
            "run launched by a form": bool(instance.get_runs_count()),
            "assets wiped by fetch": instance.get_latest_materialization_event(dg.AssetKey(WIPED)) is None,
            "materialization reported by fetch": bool(instance.get_latest_materialization_event(dg.AssetKey(FORGED))),
            "websocket opened": answer == ACKNOWLEDGED,
            "page read by DNS rebinding": rebound.ok,
        }


def query(server: str, graphql: str, **headers: str) -> Any:
    """Send GraphQL from a program on this machine."""
    content = json.dumps({"query": graphql}).encode()
    request = urllib.request.Request(f"{server}/graphql", content, {"Content-Type": "application/json"} | headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["data"]


@pytest.mark.e2e
@pytest.mark.browser
@pytest.mark.parametrize("guarded", [False, True], ids=["without the guard", "with the guard"])
def test_a_foreign_page_drives_dagster_only_without_the_guard(
    home: Path, tab: Any, foreign_page: str, guarded: bool
) -> None:
    with open_webserver(home, guarded=guarded) as server:
        effects = attack(tab, foreign_page, server)
    assert effects == dict.fromkeys(effects, not guarded)


@pytest.mark.e2e
@pytest.mark.browser
def test_a_foreign_page_reads_nothing_of_the_read_only_pages(home: Path, tab: Any, foreign_page: str) -> None:
    with open_webserver(home, "--read-only") as server:
        effects = attack(tab, foreign_page, server)
        tab.goto(server)
        assert run_script(tab, WEBSOCKET, f"{server}/graphql") == ACKNOWLEDGED
    assert effects == dict.fromkeys(effects, False)


@pytest.mark.e2e
@pytest.mark.browser
def test_own_pages_and_programs_on_this_machine_keep_working(home: Path, tab: Any) -> None:
    with open_webserver(home) as server:
        for address in (server, server.replace("127.0.0.1", "localhost")):
            tab.goto(f"{address}/automation")
            tab.get_by_text(SENSOR).first.wait_for(timeout=60_000)
            assert run_script(tab, WEBSOCKET, f"{address}/graphql") == ACKNOWLEDGED
        tab.goto(f"{server}/locations/sixtyforty/sensors/{SENSOR}")
        with tab.expect_response(lambda response: "StartSensor" in (response.request.post_data or "")) as started:
            tab.get_by_role("switch").or_(tab.locator("input[type=checkbox]")).first.dispatch_event("click")
        assert started.value.ok
        assert query(server, START_SENSOR)["startSensor"]["__typename"] == "Sensor"
        client = DagsterGraphQLClient("127.0.0.1", port_number=urlsplit(server).port)
        run_id = client.submit_job_execution("housekeeping")
        report = urllib.request.Request(
            f"{server}/report_asset_materialization/{FORGED}", b"{}", {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(report, timeout=60)
        report.add_header(REPORT_HEADER, "a test")
        assert urllib.request.urlopen(report, timeout=60).status == 200
    with dg.DagsterInstance.get() as instance:
        assert instance.get_run_by_id(run_id)
        assert instance.get_latest_materialization_event(dg.AssetKey(FORGED))


@pytest.mark.parametrize(
    ("graphql", "status"),
    [
        ("{ version }", None),
        ("query Q { version }", None),
        ("not graphql", None),
        ("mutation { x }", 405),
        ("query Q { version } mutation M { x }", 405),
        ("# mutation\n{ version }", None),
        ('{ version(text: "mutation { x }") }', None),
        ("subscription { x }", 405),
        ("fragment F on Q { version } mutation { x }", 405),
        ("\ufeff,, mutation{x}", 405),
    ],
)
def test_a_get_request_only_queries(graphql: str, status: int | None) -> None:
    for text in (
        f"query={quote(graphql)}",
        f"query=%7Bversion%7D&query={quote(graphql)}",
        f"a=1&query={quote(graphql)}",
    ):
        refusal = refuse_unsafe_call(WebRequest("GET", "/graphql", text, {}))
        assert (refusal.status if refusal else None) == status, text
    assert refuse_unsafe_call(WebRequest("POST", "/graphql", f"query={quote(graphql)}", {})) is None


@pytest.mark.parametrize("kind", ["materialization", "check", "observation"])
def test_a_report_needs_the_header(kind: str) -> None:
    path = f"/report_asset_{kind}/a/b"
    refusal = refuse_unsafe_call(WebRequest("POST", path, "", {}))
    assert refusal and refusal.status == 403 and REPORT_HEADER in refusal.text
    assert refuse_unsafe_call(WebRequest("POST", path, "", {REPORT_HEADER: "loader"})) is None
