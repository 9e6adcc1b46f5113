"""The `sixtyforty` command. Every answer also as JSON with --json; exit 0 only on success."""

from __future__ import annotations

import argparse
import atexit
import getpass
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.cli import answers, live, operations, stages, work
from pipelines.cli.say import Problem


def command() -> None:
    """The command as a process: it ends when all is done. To take a run's interpreter apart takes Python 2 s."""
    ended: list[int] = []
    atexit.register(lambda: _leave(*ended))  # the first, and so the last that is done
    ended.append(main())
    sys.exit(ended[0])


def _leave(code: int | None = None) -> None:
    if code is not None:
        with suppress(BrokenPipeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command's work. Problems are told in one line on stderr, without a traceback; exit code 1, usage 2."""
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

    demo = word("demo", work.demo, "land the demo years, run the whole chains, show what they earned", use_case=False)
    demo.add_argument("use_case", metavar="USE_CASE", nargs="?", help="this one alone; default: all there is data for")
    new = word("new", work.new, "begin a use case: its files, drafted from its extracts", use_case=False)
    new.add_argument("name", metavar="NAME", help="lower case letters, digits and _")
    new.add_argument(
        "--from", dest="extracts", metavar="PATH", help="its extracts: a file, a folder, or a glob in quotes"
    )
    new.add_argument("--like", metavar="USE_CASE", help="begin with what this one declares")
    land = word("land", work.land, "drop the demo's extracts into the landing zone")
    _range(land)
    land.add_argument("--hourly", action="store_true", help="hour by hour, as when live; default: in bulk")
    run = word("run", work.run, "run the chain on a range of days")
    _range(run, required=True)
    run.add_argument("--as-of", help="UTC moment up to which decisions are due (ISO)")
    _track(run)
    how = run.add_mutually_exclusive_group()
    how.add_argument("--select", nargs="+", help="only these stages, such as raw/weather features")
    how.add_argument(
        "--spread",
        type=int,
        metavar="N",
        help="on a cluster's workers, N partitions a run; up to the money, no retrain",
    )
    decisions = word("decisions", answers.decisions, "the decisions of a day, with their ids")
    decisions.add_argument("--date", required=True, type=date.fromisoformat)
    _track(decisions)
    _track(word("impact", answers.impact, "what the decisions were worth against the current process"))
    _track(word("acceptance", answers.acceptance, "whether people use the decisions, and who was right"))
    explain = word("explain", answers.explain, "a decision's whole thread, back to the files it came from")
    explain.add_argument("decision_id", metavar="DECISION_ID")
    champion = word("champion", answers.champion, "which model is in force")
    champion.add_argument("--history", action="store_true", help="all versions that ever were, and why")
    champion.add_argument("--on", type=date.fromisoformat, help="in force at the start of that local day")
    _track(champion)
    simulate = word("simulate", work.simulate, "SIMULATED responses of people to past decisions, for a demonstration")
    _range(simulate)
    simulate.add_argument("--seed", type=int, default=0)
    for name, act, help in (
        ("adopt", work.adopt, "go live: adopt the replay's champion, and decide from now on"),
        ("approve", work.approve, "approve a challenger that waits; the sensor promotes it"),
        ("rollback", work.rollback, "put an earlier champion back in force, from now on"),
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
    holdout = word("holdout", live.holdout, "what a holdout can show, how long that takes, and what it has shown")
    holdout.add_argument("--effect", type=float, help="difference per 1,000 units to plan for; default: the target")
    rollout = word("rollout", live.rollout, "the step in force (shadow, holdout, full), and what the next one lacks")
    step = rollout.add_mutually_exclusive_group()
    step.add_argument("--up", action="store_true", help="take the next step, if nothing stands against it")
    step.add_argument("--down", action="store_true", help="go back a step")
    rollout.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who decides this; default: you")
    rollout.add_argument("--why", metavar="TEXT", help="kept in the ledger; needed for a step")
    stage = word("stage", stages.stage, "its stage (poc, pilot, production, retired), what its gate says, and steps")
    passage = stage.add_mutually_exclusive_group()
    passage.add_argument("--up", action="store_true", help="enter the next stage, if its gate has passed")
    passage.add_argument("--retire", action="store_true", help="end it, from any stage: the current process decides")
    passage.add_argument(
        "--register", action="store_true", help="register a gate that is declared anew; the old one stays on record"
    )
    stage.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who decides this; default: you")
    stage.add_argument("--why", metavar="TEXT", help="kept in the ledger; needed for a step")
    trained = word("trained", stages.trained, "the training of the plan for change; or that somebody has done some")
    trained.add_argument("task", nargs="?", metavar="TASK", help="its name in people.change.training")
    trained.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who has done it; default: you")
    folio = word(
        "portfolio", stages.portfolio, "every use case: stage, worth, cost, use, what to do next", use_case=False
    )
    for part in ("team", "site", "region"):
        folio.add_argument(f"--{part}", help=f"only those whose stage reaches this {part}")
    vendor = word("vendor", stages.vendor, "build or buy: the scorecard; or what a vendor is given to predict on")
    vendor.add_argument("--extract", type=Path, metavar="FOLDER", help="write units and what is known of them there")
    vendor.add_argument("--to-vendor", dest="candidate", metavar="NAME", help="for which one of sourcing.vendors")
    _range(vendor)
    vendor.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who gives it; default: you")
    vendor.add_argument("--why", metavar="TEXT", help="kept in the ledger; needed for an extract")
    _track(vendor)
    record = word("record", answers.record, "the model record: what was tried, found and decided; or a search in it")
    record.add_argument(
        "--find", metavar="WORDS", help="what holds all these words: findings, and records ever written"
    )
    _track(record)
    known = word("knowledge", answers.knowledge, "what is known across use cases; without words, what failed", False)
    known.add_argument("words", nargs="*", metavar="WORDS", help="what holds all these: findings, records, research")
    relive = word("replay", answers.replay, "walks through the past as it looked then: seen, decided, what happened")
    _range(relive, required=True)
    _track(relive)
    finding = word("finding", work.finding, "keep what you found for those who come next; no personal data")
    finding.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who found it; default: you")
    finding.add_argument("--text", required=True, metavar="TEXT", help="kept for ever, and in the model record")
    finding.add_argument("--title", default="", metavar="TEXT", help="what it is about; default: its first line")
    restore = word("restore", work.restore, "bring back exactly what a model learned from")
    restore.add_argument("--model", help="its version; without one: the recipe's inputs, for `dvc repro`")
    restore.add_argument("--to", type=Path, help="folder to put it in (with --model)")
    word("doctor", operations.doctor, "what the chain needs, whether it is there, and the cure", use_case=False)
    drill = word(
        "drill", operations.drill, "live a week in which things go wrong, and see what is left", use_case=False
    )
    drill.add_argument("--to", type=Path, help="work in this empty folder and leave it; default: a temporary one")
    watch = word("watch", operations.watch, "tell people what is wrong: runs, sensors, batches, decay", use_case=False)
    watch.add_argument("--once", action="store_true", help="look once and end")
    watch.add_argument("--every", type=float, default=60.0, help="seconds between looks")
    watch.add_argument("--track", choices=["replay", "live"], default="live")
    digest = word("digest", operations.digest, "how it goes, as those who subscribed are told")
    digest.add_argument("--role", help="only this role's")
    digest.add_argument("--on", type=date.fromisoformat, help="as told at the end of that local day; default: now")
    digest.add_argument("--send", action="store_true", help="send what is due and wasn't sent; default: show it")
    digest.add_argument("--track", choices=["replay", "live"], default="live")
    ui = word("ui", operations.ui, "Dagster's pages and daemon, on this machine only", use_case=False)
    ui.add_argument("--port", type=int, default=3000)
    desk = word("desk", operations.desk, "the page for people who decide, on 127.0.0.1; doesn't return", use_case=False)
    desk.add_argument("--port", type=int, default=3002, help="on 127.0.0.1")
    account = word("desk-account", operations.desk_account, "make, change or remove an account of the desk", False)
    account.add_argument("name", metavar="NAME")
    what = account.add_mutually_exclusive_group(required=True)
    what.add_argument("--role", help="decider, expert, owner or auditor; the password is asked for, or read from stdin")
    what.add_argument("--remove", action="store_true", help="what the person did stays on record")
    up = word("up", operations.up, "start the services (pages, daemon) as one set that is kept running", use_case=False)
    up.add_argument("--port", type=int, default=3000, help="of Dagster's pages, on 127.0.0.1")
    up.add_argument("--readonly-port", type=int, default=3001, help="of the pages that can't change anything")
    up.add_argument("--desk-port", type=int, default=3002, help="of the page for people who decide")
    word("down", operations.down, "stop the services, and whatever is left of them", use_case=False)
    backup = word("backup", operations.backup, "copy everything that can't be made again", use_case=False)
    backup.add_argument("--to", type=Path, required=True, help="a folder of its own, or an older back-up to renew")
    backup.add_argument("--patience", type=float, default=600, help="seconds to wait for runs under way to end")
    recover = word("recover", operations.recover, "bring a back-up back into an empty home", use_case=False)
    recover.add_argument("--from", dest="source", type=Path, required=True, help="the folder of the back-up")
    return top


def _range(one: argparse.ArgumentParser, required: bool = False) -> None:
    one.add_argument("--from", dest="first", type=date.fromisoformat, required=required, help="first local day")
    one.add_argument("--to", dest="last", type=date.fromisoformat, required=required, help="last local day")


def _track(one: argparse.ArgumentParser) -> None:
    one.add_argument("--track", choices=["replay", "live"], default="replay")
