"""The model record: what was tried, found and decided, on which data, for whoever comes next. Markdown."""

from __future__ import annotations

from pathlib import Path

from sixtyforty import kpi
from sixtyforty.impact import summary
from sixtyforty.lake import write_atomic
from sixtyforty.workspace import Workspace


def write(ws: Workspace, track: str) -> Path:
    """Writes `model_record.md` and returns its path."""
    path = ws.reports / "model_record.md"
    write_atomic(path, text(ws, track).encode())
    return path


def text(ws: Workspace, track: str) -> str:
    """The record of a track."""
    use_case, rows, days = ws.use_case, [r for r in ws.ledger.rows() if r.track == track], kpi.days(ws, track)
    champions = ws.ledger.champions(track)
    lines = [f"# {use_case.title}: model record", "", use_case.vision, "", "## What it decides", "",
             use_case.people.process_step, "",
             f"Actions: {'; '.join(f'{n}: {a.description}' for n, a in use_case.kpi.actions.items())}."]  # fmt: skip
    lines += ["", "## How well", ""]
    if days:
        found, gained = summary(use_case.kpi, days), summary(use_case.kpi, days)["lift_vs_present"]
        per = found["per_1000"]
        policies = ("model", "present_process", "coin_flip", "perfect_foresight")
        lines += [f"{found['from']} to {found['to']}, {found['decisions']:,} {use_case.kpi.noun}, {use_case.kpi.label},"
                  f" {use_case.kpi.unit} per 1,000:", "",
                  "| decisions taken | present process | coin flip | perfect foresight | lift (95%) |",
                  "|---|---|---|---|---|", "| " + " | ".join(f"{per[p]:,.0f}" for p in policies) +
                  f" | {gained['value']:+,.0f} [{gained['low']}, {gained['high']}] |"]  # fmt: skip
    else:
        lines.append("No decision has been accounted for yet.")
    lines += [
        "",
        "## What was tried, and what the gate said",
        "",
        "| trained as of | version | verdict | why | rows | data version |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        card = ws.models.card(row.version)
        lines.append(
            f"| {row.as_of} | {row.version} | {row.verdict} | {'; '.join(row.reasons)} | {card['rows']:,} |"
            f" {card['data_version']} |"
        )
    lines += ["", "## In force", ""]
    if champions:
        now, card = champions[-1], ws.models.card(champions[-1].version)
        back = f"sixtyforty restore {use_case.name} --model {now.version} --to DIR"
        lines += [f"`{now.version}` since {now.effective_from} UTC, judged by {now.by}.", "",
                  f"- Recipe: `{card['recipe']['estimator']}` with {card['recipe']['params']},"
                  f" trailing {card['recipe']['training_days']} days.",
                  f"- Learned from {card['rows']:,} rows, {card['first']} to {card['last']};"
                  f" days missing: {len(card['missing_days'])}.",
                  f"- Features ({len(card['features'])}): {', '.join(card['features'])}.",
                  f"- Bring its data back: `{back}`."]  # fmt: skip
    else:
        lines.append("No model: the present process decides.")
    lines += ["", "## Limits", "",
              f"- It learned from {use_case.sources[use_case.decision.unit].description}",
              "- Rows the serving checks mark are decided by the present process.",
              f"- Money is {use_case.kpi.label}; the cost of running and building isn't in it.", ""]  # fmt: skip
    return "\n".join(lines)
