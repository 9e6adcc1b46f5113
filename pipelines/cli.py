"""The `sixtyforty` command. Every answer also as JSON with --json; exit 0 only on success."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from sixtyforty.use_case import UseCase


class Problem(Exception):
    """Something the person at the keyboard can mend."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Problems are told in one line on stderr, without a traceback; exit code 1, usage 2."""
    given = parser().parse_args(arguments)
    try:
        answer, text = given.run(given)
    except (ValueError, OSError, RuntimeError, Problem) as error:
        if given.json:
            print(json.dumps({"error": str(error)}))
        print(f"sixtyforty: {error}", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2, default=str) if given.json else text)
    return 0 if not isinstance(answer, dict) or answer.get("ok", True) else 1


def parser() -> argparse.ArgumentParser:
    """The command's words."""
    top = argparse.ArgumentParser(prog="sixtyforty", description=__doc__)
    words = top.add_subparsers(dest="word", required=True, metavar="COMMAND")

    def word(
        name: str, run: Callable[[Any], tuple[Any, str]], help: str, use_case: bool = True
    ) -> argparse.ArgumentParser:
        one = words.add_parser(name, help=help, description=help)
        one.set_defaults(run=run)
        one.add_argument("--json", action="store_true", help="answer as JSON")
        if use_case:
            one.add_argument("use_case", metavar="USE_CASE")
        return one

    demo = word("demo", _demo, "land the demo year, run the whole chain on it, show what it earned", use_case=False)
    demo.add_argument("use_case", metavar="USE_CASE", nargs="?", default="flight_delays")
    land = word("land", _land, "drop the demo's extracts into the landing zone")
    _range(land)
    land.add_argument("--hourly", action="store_true", help="hour by hour, as when live; default: a month a file")
    run = word("run", _run, "run the chain on a range of days")
    _range(run, required=True)
    run.add_argument("--as-of", help="UTC moment up to which decisions are due (ISO)")
    _track(run)
    run.add_argument("--select", nargs="+", help="only these stages, such as raw/weather features")
    decisions = word("decisions", _decisions, "the decisions of a day, with their ids")
    decisions.add_argument("--date", required=True, type=date.fromisoformat)
    _track(decisions)
    _track(word("impact", _impact, "what the decisions were worth against the present process"))
    explain = word("explain", _explain, "a decision's whole thread, back to the files it came from")
    explain.add_argument("decision_id", metavar="DECISION_ID")
    champion = word("champion", _champion, "which model is in force")
    champion.add_argument("--history", action="store_true", help="all versions that ever were, and why")
    champion.add_argument("--on", type=date.fromisoformat, help="in force at the start of that local day")
    _track(champion)
    for name, act, help in (
        ("adopt", _adopt, "go live: adopt the replay's champion, and decide from now on"),
        ("approve", _approve, "approve a challenger that waits; the sensor promotes it"),
        ("rollback", _rollback, "put an earlier champion back in force, from now on"),
    ):
        one = word(name, act, help)
        if name == "approve":
            one.add_argument("version", metavar="VERSION")
        elif name == "rollback":
            one.add_argument("--to", required=True, metavar="VERSION")
        else:
            one.add_argument("--model", metavar="VERSION", help="default: its newest")
        one.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who decides this; default: you")
        one.add_argument("--why", required=True, metavar="TEXT", help="kept in the ledger")
    restore = word("restore", _restore, "bring back exactly what a model learned from")
    restore.add_argument("--model", help="its version; without one: the recipe's inputs, for `dvc repro`")
    restore.add_argument("--to", type=Path, help="folder to put it in (with --model)")
    word("doctor", _doctor, "what the chain needs, whether it is there, and the cure", use_case=False)
    drill = word("drill", _drill, "live a week in which things go wrong, and see what was left of it", use_case=False)
    drill.add_argument("--to", type=Path, help="work in this empty folder and leave it; default: a temporary one")
    watch = word("watch", _watch, "tell people what is wrong: runs, sensors, batches, decay", use_case=False)
    watch.add_argument("--once", action="store_true", help="look once and end")
    watch.add_argument("--every", type=float, default=60.0, help="seconds between looks")
    watch.add_argument("--track", choices=["replay", "live"], default="live")
    ui = word("ui", _ui, "Dagster's pages and daemon, on this machine only", use_case=False)
    ui.add_argument("--port", type=int, default=3000)
    up = word("up", _up, "start the services (pages, daemon) as one set that is kept running", use_case=False)
    up.add_argument("--port", type=int, default=3000, help="of Dagster's pages, on 127.0.0.1")
    up.add_argument("--readonly-port", type=int, default=3001, help="of the pages that can't change anything")
    word("down", _down, "stop the services, and whatever is left of them", use_case=False)
    backup = word("backup", _backup, "copy everything that can't be made again", use_case=False)
    backup.add_argument("--to", type=Path, required=True, help="a folder of its own, or an older back-up to renew")
    backup.add_argument("--patience", type=float, default=600, help="seconds to wait for runs under way to end")
    recover = word("recover", _recover, "bring a back-up back into an empty home", use_case=False)
    recover.add_argument("--from", dest="source", type=Path, required=True, help="the folder of the back-up")
    return top


def _range(one: argparse.ArgumentParser, required: bool = False) -> None:
    one.add_argument("--from", dest="first", type=date.fromisoformat, required=required, help="first local day")
    one.add_argument("--to", dest="last", type=date.fromisoformat, required=required, help="last local day")


def _track(one: argparse.ArgumentParser) -> None:
    one.add_argument("--track", choices=["replay", "live"], default="replay")


def _demo(given: Any) -> tuple[Any, str]:
    from pipelines import catalog, demo
    from pipelines.run import run_range

    ws = catalog.workspace(given.use_case)
    _say("landing the year's extracts …")
    landed = demo.land(ws.landing.folder)
    _say(f"{len(landed)} extracts in {ws.landing.folder}; running the chain:")
    run_range(given.use_case, ws.use_case.partitions.start, demo.LAST_DAY)
    answer, table = _impact(argparse.Namespace(use_case=given.use_case, track="replay"))
    look = [
        f"Open {ws.reports / 'impact.html'} for what it was worth,",
        "run `make ui` and open http://127.0.0.1:3000 for the chain in Dagster's pages,",
        f"and `.venv/bin/sixtyforty champion {given.use_case} --history` for which model decided when, and why.",
    ]
    return answer, table + "\n\n" + "\n".join(look)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _land(given: Any) -> tuple[Any, str]:
    from pipelines import catalog, demo

    if given.use_case not in demo.USE_CASES:
        raise Problem(f"there is demo data for {', '.join(demo.USE_CASES)}, not for '{given.use_case}'")
    folder = catalog.workspace(given.use_case).landing.folder
    files = demo.land(folder, given.first, given.last, given.hourly)
    return {"folder": str(folder), "files": [f.name for f in files]}, f"{len(files)} extracts in {folder}"


def _run(given: Any) -> tuple[Any, str]:
    from pipelines import catalog
    from pipelines.run import run_range

    catalog.load(given.use_case)
    run_id = run_range(given.use_case, given.first, given.last, given.as_of, given.track, select=given.select)
    return {"run_id": run_id}, f"run {run_id} done"


def _decisions(given: Any) -> tuple[Any, str]:
    from pipelines import catalog
    from sixtyforty.decisions import decisions_of

    ws = catalog.workspace(given.use_case)
    found = decisions_of(ws, given.date.isoformat(), given.track)
    if not found:
        raise Problem(f"no decisions on {given.date} ({given.track}): run the chain on that day")
    key = ws.use_case.decision.key
    lines = [f"{d['decision_id']}  {d['decided_at']:%Y-%m-%d %H:%M} UTC  {d['action']:<10} "
             f"{' '.join(str(d[k]) for k in key)}  ({d['decided_by']})" for d in found]  # fmt: skip
    return {"date": given.date.isoformat(), "track": given.track, "decisions": found}, "\n".join(lines)


def _impact(given: Any) -> tuple[Any, str]:
    from pipelines import catalog
    from sixtyforty.impact import summary
    from sixtyforty.kpi import days

    ws = catalog.workspace(given.use_case)
    found = summary(ws.use_case.kpi, days(ws, given.track))
    if not found["decisions"]:
        raise Problem(f"nothing decided and known yet on the {given.track} track: run the chain (`make demo`)")
    return found, _impact_table(ws.use_case, found)


def _impact_table(use_case: UseCase, found: dict[str, Any]) -> str:
    kpi, per, total, gained = use_case.kpi, found["per_1000"], found["totals"], found["lift_vs_present"]
    names = {"model": "decisions taken", "present_process": "present process",
             "coin_flip": "coin flip, as many actions", "perfect_foresight": "perfect foresight"}  # fmt: skip
    lines = [
        f"{kpi.name}, {kpi.unit} ({kpi.label}), {found['from']} to {found['to']}, {found['decisions']:,} {kpi.noun}",
        f"{'':28}{'per 1,000':>14}{'in all':>16}",
    ]
    lines += [f"{text:28}{per[name]:>14,.0f}{total[name]:>16,.0f}" for name, text in names.items()]
    low, high = (f"{v:+,.0f}" if v is not None else "unknown" for v in (gained["low"], gained["high"]))
    lines.append(
        f"{'gain over the present process':28}{gained['value']:>+13,.0f}{found['net_impact']:>+16,.0f}"
        f"   95%: {low} to {high} per 1,000"
    )
    return "\n".join(lines)


def _explain(given: Any) -> tuple[Any, str]:
    from pipelines import catalog
    from sixtyforty.custody import explain

    found = explain(catalog.workspace(given.use_case), given.decision_id)
    return found, json.dumps(found, indent=2, default=str)


def _champion(given: Any) -> tuple[Any, str]:
    from pipelines import catalog

    ws = catalog.workspace(given.use_case)
    if given.history:
        rows = [r.model_dump() for r in ws.ledger.rows() if r.track == given.track]
        text = "\n".join(f"{r['as_of']}  {r['verdict']:8} {r['version']}  {'; '.join(r['reasons'])}" for r in rows)
        return {"ledger": str(ws.ledger.path), "history": rows}, text or "no challenger has been judged yet"
    moment = ws.use_case.starts(given.on).isoformat() if given.on else "9999"
    row = ws.ledger.champion(given.track, moment)
    why = row.reasons if row else ["no model was promoted: the present process decides"]
    answer = {"champion": row.version if row else None, "effective_from": row.effective_from if row else None,
              "why": why}  # fmt: skip
    return answer, f"{answer['champion'] or 'none'}: {'; '.join(why)}"


def _adopt(given: Any) -> tuple[Any, str]:
    from sixtyforty.champions import adopt

    return _by_hand(given, adopt, version=given.model)


def _approve(given: Any) -> tuple[Any, str]:
    from sixtyforty.champions import approve

    return _by_hand(given, approve, version=given.version)


def _rollback(given: Any) -> tuple[Any, str]:
    from sixtyforty.champions import rollback

    return _by_hand(given, rollback, to=given.to)


def _by_hand(given: Any, act: Callable[..., Any], **what: Any) -> tuple[Any, str]:
    from pipelines import catalog
    from sixtyforty.clock import now

    row = act(catalog.workspace(given.use_case), by=given.by, why=given.why, moment=now(), **what)
    return row.model_dump(), f"{row.verdict} {row.version} from {row.effective_from} UTC, by {row.by}: {given.why}"


def _restore(given: Any) -> tuple[Any, str]:
    from pipelines import catalog

    ws, versions = catalog.workspace(given.use_case), catalog.versions()
    if given.model:
        if not given.to:
            raise Problem("--model needs --to FOLDER")
        files = versions.restore(ws.models.folder(given.model), given.to)
        return {"model": given.model, "files": [str(f) for f in files]}, "\n".join(map(str, files))
    pointers = [p for p in versions.bring_pointers() if p.startswith(f"data/recipe/{given.use_case}/")]
    versions.pull(pointers)
    return {"pointers": pointers}, "the recipe's inputs are here; run `dvc repro`"


def _doctor(given: Any) -> tuple[Any, str]:
    from pipelines.doctor import examine

    found = examine()
    lines = [
        f"{'ok ' if f['ok'] else 'NOT'}  {f['thing']}: {f['found']}" + ("" if f["ok"] else f"\n     cure: {f['cure']}")
        for f in found
    ]
    return {"ok": all(f["ok"] for f in found if f["needed"]), "things": found}, "\n".join(lines)


def _drill(given: Any) -> tuple[Any, str]:
    from pipelines.drill import drill

    held, table = drill(given.to, _say)
    return {"ok": held, "table": table.splitlines()}, table


def _watch(given: Any) -> tuple[Any, str]:
    from pipelines.watch import told, watch

    found: list[dict[str, Any]] = []

    def say(row: dict[str, Any]) -> None:
        if given.once:
            found.append(row)
        else:
            print(json.dumps(row) if given.json else told(row), flush=True)

    with suppress(KeyboardInterrupt):
        watch(given.track, None if given.once else given.every, say)
    return {"receipts": found}, "\n".join(map(told, found)) or "nothing new to tell"


def _ui(given: Any) -> tuple[Any, str]:
    import os

    from pipelines.profiles import ROOT, prepare

    prepare()
    import dagster as dg

    with dg.DagsterInstance.get():  # the storage exists before two services open it at once
        pass
    _say(f"Dagster's pages: http://127.0.0.1:{given.port} (Ctrl-C ends it)")
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "-w", str(ROOT / "workspace.yaml"),
               "--host", "127.0.0.1", "--port", str(given.port)]  # fmt: skip
    os.chdir(ROOT)
    os.execv(command[0], command)


def _up(given: Any) -> tuple[Any, str]:
    from pipelines import services

    found = services.up(given.port, given.readonly_port)
    lines = [
        f"Dagster's pages: {found['pages']}",
        f"to look only:    {found['read_only']}",
        f"logs:            {found['logs']}",
    ]
    lines += [f"{name:16} {state}" for name, state in found["programs"].items()]
    lines += [f"run {run} had died with its machine; it was told so" for run in found["reaped"]]
    return found, "\n".join([*lines, "ready"])


def _down(_: Any) -> tuple[Any, str]:
    from pipelines import services

    found = services.down()
    return found, "stopped" if found["was_running"] or found["left_over"] else "nothing was running"


def _backup(given: Any) -> tuple[Any, str]:
    from pipelines.backup import backup

    made = backup(given.to.resolve(), given.patience)
    return {**made, "files": len(made["files"])}, f"{len(made['files']):,} files in {given.to}"


def _recover(given: Any) -> tuple[Any, str]:
    from pipelines.backup import recover

    found = recover(given.source.resolve())
    return found, f"{found['files']:,} files of {found['made']} are back; next: sixtyforty doctor, then sixtyforty up"


if __name__ == "__main__":
    sys.exit(main())
