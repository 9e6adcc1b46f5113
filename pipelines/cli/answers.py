"""What people ask: the decisions, what they were worth, their thread, and which model is in force."""

from __future__ import annotations

import json
from typing import Any

from pipelines.cli.say import Problem
from sixtyforty.accounting.forecast import aim
from sixtyforty.spec.use_case import UseCase


def decisions(given: Any) -> tuple[Any, str]:
    """The decisions of a day."""
    from pipelines.authoring import catalog
    from sixtyforty.decisions.deciding import decisions_of

    ws = catalog.workspace(given.use_case)
    found = [d for p in ws.use_case.holding(given.date, given.date) for d in decisions_of(ws, p, given.track)]
    if not found:
        raise Problem(f"no decisions on {given.date} ({given.track}): run the chain on that day")
    key = ws.use_case.decision.key
    lines = [
        f"{d['decision_id']}  {d['decided_at']:%Y-%m-%d %H:%M} UTC  {d['action']:<10} "
        f"{' '.join(str(d[k]) for k in key)}  ({d['decided_by']})"
        for d in found
    ]
    return {"date": given.date.isoformat(), "track": given.track, "decisions": found}, "\n".join(lines)


def impact(given: Any) -> tuple[Any, str]:
    """What the decisions were worth."""
    from pipelines.authoring import catalog
    from sixtyforty.accounting.forecast import forecast
    from sixtyforty.accounting.kpi_ledger import by_segment, summary

    ws = catalog.workspace(given.use_case)
    found = summary(ws, given.track)
    found["segments"] = [s.plain for s in by_segment(ws, given.track)]
    if not found["decisions"]:
        raise Problem(f"nothing decided and known yet on the {given.track} track: run the chain (`make demo`)")
    found["forecast"] = forecast(ws, given.track).plain(ws.use_case.kpi)
    return found, _impact_table(ws.use_case, found)


def _impact_table(use_case: UseCase, found: dict[str, Any]) -> str:
    kpi, per, total, gained = use_case.kpi, found["per_1000"], found["totals"], found["lift_vs_current"]
    names = {
        "model": "decisions taken",
        "current_process": "current process",
        "random_choice": "random choice, as many actions",
        "perfect_foresight": "perfect foresight",
    }
    span = f"{found['from']} to {found['to']}, {found['decisions']:,} {kpi.noun}"
    lines = [
        f"{kpi.name}, {kpi.unit} ({found['label']}), {span}",
        f"{'':28}{'per 1,000':>14}{'in all':>16}",
    ]
    lines += [
        f"{text:28}{per[name]:>14,.0f}{total[name]:>16,.0f}" for name, text in names.items() if per[name] is not None
    ]
    for name, c in found["candidates"].items():
        if c["decisions"]:
            text = f"{name} (vendor)" if kpi.candidates[name].vendor else name
            beside = f"   decisions taken {c['model_minus']['value']:+,.0f} beside it"
            lines.append(f"{text:28}{c['per_1000']:>14,.0f}{'':16}{beside}")
    low, high = (f"{v:+,.0f}" if v is not None else "unknown" for v in (gained["low"], gained["high"]))
    lines.append(
        f"{'gain over the current process':28}{gained['value']:>+13,.0f}{found['gain']:>+16,.0f}"
        f"   95%: {low} to {high} per 1,000"
    )
    if found["build"] or found["running"]:
        lines.append(f"{'building and running (assumed)':42}{-found['build'] - found['running']:>+16,.0f}")
        paid = (
            f"   has paid for itself since {found['payback']}" if found["payback"] else "   hasn't paid for itself yet"
        )
        lines.append(f"{'net impact':42}{found['net_impact']:>+16,.0f}{paid}")
    if not found["operational"]:
        lines.append("not operational: no decision differs from the current process")
    lines.append(aim(kpi, gained, found["label"]))
    lines += [
        f"the champion of {t['since']} brought {t['actual']['value']:+,.0f}: {t['verdict']}"
        f" ({t['forecast']['low']:+,.0f} to {t['forecast']['high']:+,.0f})"
        for t in found["forecast"]["terms"]
        if not t["verdict"].startswith(("within", "not"))
    ]
    lines += [found["told"]] if "told" in found else []
    lines += [f"in {s['column']} {s['name']} the current process does better" for s in found["segments"] if s["loses"]]
    return "\n".join(lines)


def acceptance(given: Any) -> tuple[Any, str]:
    """Whether people use it."""
    from pipelines.authoring import catalog
    from sixtyforty.accounting.acceptance import facts, sure

    ws = catalog.workspace(given.use_case)
    found = facts(ws, given.track)
    if not found.responses:
        raise Problem(f"nobody has responded to a {given.track} decision yet (or it isn't in: run acceptance)")
    alarms = found.alarms(ws)
    lines = [
        f"{found.decisions:>10,}  decided",
        f"{found.seen:>10,}  seen",
        f"{found.accepted:>10,}  followed: {found.uptake or 0:.1%} of those seen",
        f"{found.overridden:>10,}  overridden: {found.override_rate or 0:.1%} of those answered",
        f"{found.gain:>+10,.0f}  {ws.use_case.kpi.unit} the {found.known:,} overrides with a known outcome were worth;"
        f" {found.right:,} of them were right{sure(found.each)}",
    ]
    lines += [f"{r.gain:>+10,.0f}  of that by {name}s{sure(r.each)}" for name, r in found.roles.items() if r.known]
    if found.retention is not None:
        lines.append(f"{found.retention:>10.0%}  of a week's people come back the next week")
    if found.rating is not None:
        lines.append(f"{found.rating:>10.1f}  of 5: the mean rating")
    if found.simulated:
        lines.append(found.label.replace("simulated", "SIMULATED"))
    return found.plain | {"alarms": alarms}, "\n".join([*lines, *alarms.values()])


def explain(given: Any) -> tuple[Any, str]:
    """A decision's thread."""
    from pipelines.authoring import catalog
    from sixtyforty.decisions.provenance import explain

    found = explain(catalog.workspace(given.use_case), given.decision_id)
    return found, json.dumps(found, indent=2, default=str)


def champion(given: Any) -> tuple[Any, str]:
    """The model in force, or all that ever were."""
    from pipelines.authoring import catalog

    ws = catalog.workspace(given.use_case)
    if given.history:
        rows = [r.model_dump() for r in ws.ledger.rows() if r.track == given.track]
        text = "\n".join(f"{r['as_of']}  {r['verdict']:8} {r['version']}  {'; '.join(r['reasons'])}" for r in rows)
        return {"ledger": str(ws.ledger.path), "history": rows}, text or "no challenger has been judged yet"
    moment = ws.use_case.starts(given.on).isoformat() if given.on else "9999"
    row = ws.ledger.champion(given.track, moment)
    why = row.reasons if row else ["no model was promoted: the current process decides"]
    answer = {
        "champion": row.version if row else None,
        "effective_from": row.effective_from if row else None,
        "why": why,
    }
    return answer, f"{answer['champion'] or 'none'}: {'; '.join(why)}"


def record(given: Any) -> tuple[Any, str]:
    """The model record, or what holds the words looked for."""
    from pipelines.authoring import catalog
    from sixtyforty.reports.model_record import search, text, versions

    ws = catalog.workspace(given.use_case)
    if given.find is None:
        said = text(ws, given.track)
        return {"track": given.track, "record": said, "versions": [str(p) for p in versions(ws, given.track)]}, said
    hits = search(ws, given.find)
    told = [f"{f'{h.track} record' if h.track else 'finding'} {h.number}, {h.title}:\n{h.text}" for h in hits]
    return {"hits": [h.__dict__ for h in hits]}, "\n\n".join(told) or f"nothing holds '{given.find}'"


def knowledge(given: Any) -> tuple[Any, str]:
    """What holds the words, in any use case; without any, what was tried and failed."""
    from pipelines.authoring import catalog
    from sixtyforty.reports.knowledge import failed, search

    workspaces, words = list(catalog.complete()[0].values()), " ".join(given.words)
    found = search(workspaces, words) if words else failed(workspaces)
    told = [f"{k.use_case}, {k.where}: {k.title}\n{k.text}" for k in found]
    nothing = f"nothing holds '{words}'" if words else "nothing has failed yet"
    return {"found": [k.__dict__ for k in found]}, "\n\n".join(told) or nothing


def replay(given: Any) -> tuple[Any, str]:
    """The past, a partition after the other."""
    from pipelines.authoring import catalog
    from sixtyforty.reports.replay_report import told, walk

    ws = catalog.workspace(given.use_case)
    if given.last < given.first:
        raise Problem("--to is before --from")
    days = ws.use_case.deciding(ws.use_case.holding(given.first, given.last))
    found = list(walk(ws, days, given.track))
    if not any(one["decided"] for one in found):
        raise Problem(f"nothing was decided from {given.first} to {given.last} ({given.track}): run the chain")
    return {"track": given.track, "partitions": found}, "\n".join(map(told, found))
