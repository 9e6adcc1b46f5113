"""What is asked of a use case's way from idea to retirement: its stage, the people's training, and build or buy."""

from __future__ import annotations

from typing import Any

from pipelines.cli.say import Problem


def stage(given: Any) -> tuple[Any, str]:
    """The stage in force and what its gate says, or a step taken."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle import stage_gate
    from sixtyforty.spec.clock import now

    ws, moment = catalog.workspace(given.use_case), now()
    acts = {"up": stage_gate.up, "retire": stage_gate.retire, "register": stage_gate.register}
    asked = next((name for name in acts if getattr(given, name)), None)
    if asked:
        if not given.why:
            raise Problem("--why TEXT is needed: it is kept in the ledger")
        row = acts[asked](ws, by=given.by, why=given.why, moment=moment)
        return row.model_dump(), f"{row.stage} ({row.said}) from {row.effective_from} UTC, by {row.by}: {row.why}"
    at, spells = stage_gate.standing(ws, moment), stage_gate.lead_times(ws, moment)
    history = [r.model_dump() for r in ws.progress.rows()]
    lines = [f"{r['effective_from']} UTC  {r['stage']:10} {r['said']:8} by {r['by']}: {r['why']}" for r in history]
    lines += [f"{s['stage']:10} {s['days']:>8,.1f} days, {s['from']} to {s['to'] or 'now'}" for s in spells]
    if at.gate:
        lines.append(
            f"gate of {at.stage}: {at.gate.target:+,.0f} per 1,000 by {at.gate.stop_date}, at least"
            f" {at.gate.minimum_gain:+,.0f} to be worth having; scope: {at.gate.scope.told}"
        )
    lines.append(f"{at.stage}: {at.said or 'no gate judges it'}; {at.partitions} partitions have outcomes ({at.label})")
    lines += [f"against passing: {reason}" for reason in at.against]
    lines += stage_gate.differs(ws)
    return {**at.plain, "lead_times": spells, "history": history}, "\n".join(lines)


def trained(given: Any) -> tuple[Any, str]:
    """The training planned and done, or a task done."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle import training

    ws = catalog.workspace(given.use_case)
    if given.task:
        row = training.do(ws, given.task, given.by)
        return row.model_dump(), f"{row.by} has done {row.task}"
    planned, done = ws.use_case.people.change.training, training.who(ws)
    if not planned:
        raise Problem(f"{given.use_case} plans no training: see people.change.training in its defs.yaml")
    lines = [f"{len(done[n])} of {t.headcount} {t.role}s: {n}, {t.title}" for n, t in planned.items()]
    return {"share": training.share(ws), "done": done}, "\n".join(lines)


def vendor(given: Any) -> tuple[Any, str]:
    """The scorecard of build or buy, or an extract given to a vendor."""
    from pipelines.authoring import catalog
    from sixtyforty.accounting.build_or_buy import reckon
    from sixtyforty.lifecycle.vendor_extracts import extract

    ws = catalog.workspace(given.use_case)
    if given.extract:
        if not (given.first and given.last and given.candidate and given.why):
            raise Problem("--extract needs --from, --to, --to-vendor NAME and --why TEXT")
        days = ws.use_case.holding(given.first, given.last)
        path, row = extract(ws, given.candidate, days, given.extract.resolve(), given.by, given.why)
        left = f"; left out as personal: {', '.join(row.left_out)}" if row.left_out else ""
        return row.model_dump() | {"path": str(path)}, f"{row.rows:,} {ws.use_case.kpi.noun} in {path}{left}"
    found = reckon(ws, given.track)
    close = "to be held close" if found["strategic"] else "need not be held close"
    lines = [
        f"the capability {found['capability']}; {close}: {found['because']}",
        f"{found['unit']} over {found['months']} months at {found['discount']:.0%} a year ({found['label']}):",
        f"{'':24}{'gain per 1,000':>16}{'gain':>16}{'cost':>16}{'worth':>16}",
    ]
    lines += [
        f"{w['way']:24}{w['gain_per_1000']:>+16,.0f}{w['gain']:>+16,.0f}{w['cost']:>16,.0f}{w['worth']:>+16,.0f}"
        for w in found["ways"]
    ]
    lines.append(f"verdict: {found['verdict']}")
    lines += found["why"]
    lines += [f"if {s['if']}: {s['verdict']}" for s in found["sensitivity"] if s["changes"]]
    return found, "\n".join(lines)


def portfolio(given: Any) -> tuple[Any, str]:
    """Every use case side by side; of all of them, the page is written anew."""
    from assets.portfolio import count
    from pipelines.authoring import catalog
    from pipelines.settings import prepare
    from sixtyforty.reports import portfolio as of

    where = prepare()
    import dagster as dg

    from assets.resources import Place

    found, _ = catalog.complete()
    with dg.DagsterInstance.get() as instance:
        count(instance, Place(where.home, where.database_url, where.dvc_remote, where.lake), list(found))
    if not found:
        raise Problem("no use case is complete enough to be told of: see `sixtyforty doctor`")
    wanted = {k: getattr(given, k) for k in ("team", "site", "region")}
    everything = list(found.values())
    page, lines = of.write(everything), of.portfolio(of.scoped(everything, wanted))
    told = [f"{'':3}{'use case':24}{'stage':12}{'label':12}{'left':>14}{'gain':>14}{'cost':>12}{'return':>8}  next"]
    told += [
        f"{i:2} {o.name:24}{o.stage:12}{o.label:12}{o.net:>+14,.0f}{o.gain:>+14,.0f}{o.cost:>12,.0f}"
        f"{'-' if o.roi is None else f'{o.roi:.0%}':>8}  {o.advice}: {o.why}"
        for i, o in enumerate(lines, 1)
    ]
    told += [
        f"{t['unit']} ({t['label']}, {t['track']}): {t['net']:+,.0f} left of {t['gain']:+,.0f}"
        for t in of.totals(lines)
    ]
    told.append(f"page: {page}")
    return {"lines": [o.plain for o in lines], "totals": of.totals(lines), "page": str(page)}, "\n".join(told)
