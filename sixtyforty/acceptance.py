"""Do people use it? What they saw, followed and overrode, who was right in money, who came back, what they think of it.

Each partition of decisions is accounted for by itself, and again when a response or an outcome comes late; the whole
is the sum of the partitions. People are told apart by a pseudonym; no name, and no reason, gets in here. Where the
action may have changed the outcome, who was right isn't known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sixtyforty import arms
from sixtyforty.decisions import dataset as decisions_of
from sixtyforty.impact import Interval, ratio
from sixtyforty.lake import Entry, connect, digest, versions
from sixtyforty.policy import payoff
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

Alarm = Literal["no user", "rubber stamp", "low uptake"]
COUNTS = ("decisions", "seen", "accepted", "overridden", "known", "right", "responses", "simulated")


def dataset(track: str) -> str:
    """Where a track's acceptance lies in the lake."""
    return f"acceptance/{track}"


def account(ws: Workspace, partitions: Sequence[str], track: str) -> dict[str, Entry]:
    """Accounts for the partitions (a chunk) that have decisions and responses; the others are absent."""
    source = ws.use_case.people.responses
    said = ws.lake.entries(f"validated/{source}", partitions) if source else {}
    decided = ws.lake.entries(decisions_of(track), list(said))
    if not decided:
        return {}
    outcomes = {} if arms.randomized(ws.use_case, track) else ws.lake.entries("outcomes", list(decided))
    rows = _rows(ws, {p: said[p] for p in decided}, decided, outcomes)
    import pyarrow as pa

    found = {}
    for p in decided:
        facts = counted(ws, rows[rows["_partition"] == p]) | {"decisions": decided[p].rows}
        one = pa.Table.from_pylist([{c: facts[c] for c in COUNTS} | {"gain": facts["gain"]}])
        made_of = inputs(ws, track, p)
        found[p] = ws.lake.write(dataset(track), p, one, inputs=made_of, code=ws.code, facts=facts)
    return found


def inputs(ws: Workspace, track: str, partition: str) -> dict[str, dict[str, str]]:
    """What a partition is accounted for with, as it is now: dataset to {partition: version}."""
    wanted = (f"validated/{ws.use_case.people.responses}", decisions_of(track), "outcomes")
    entries = {d: ws.lake.entry(d, partition) for d in wanted}
    return {d: versions({partition: e}) for d, e in entries.items() if e}


def _rows(
    ws: Workspace, said: Mapping[str, Entry], decided: Mapping[str, Entry], outcomes: Mapping[str, Entry]
) -> pd.DataFrame:
    """The responses to decisions of theirs: with what was decided, and the outcome where it is known."""
    key, kpi = ", ".join(f'"{c}"' for c in ws.use_case.decision.key), ws.use_case.kpi
    known, outcome = "", "null::double"
    if outcomes:
        known = f"left join {ws.lake.rows(outcomes.values())} o on {_same(ws.use_case.decision.key)}"
        outcome = f'o."{kpi.outcome}"'
    with connect(ws.use_case.timezone) as db:
        return db.execute(
            f"""select d._partition, decision_id, r.person, r.role, r.event, r.action, r.rating, r.simulated,
            strftime(local(r."at"), '%G-W%V') as week, d.action as decided, {outcome}::double as outcome
            from {ws.lake.rows(said.values())} r
            join (select _partition, decision_id, action, {key} from {ws.lake.rows(decided.values())}) d
            using (_partition, decision_id) {known} order by d._partition, r.response_id"""
        ).df()


def _same(key: Sequence[str]) -> str:
    return " and ".join(f'o."{c}" = d."{c}"' for c in ["_partition", *key])


def counted(ws: Workspace, rows: pd.DataFrame) -> dict[str, Any]:
    """The figures of one partition's responses. Rows: event, role, person, week, action, decided, outcome, …"""
    over = rows[rows["event"] == "overridden"]
    known = over[over["outcome"].notna()]
    outcome = known["outcome"].to_numpy(float)
    gain = payoff(ws.use_case.kpi, known["action"].tolist(), outcome)
    gain = gain - payoff(ws.use_case.kpi, known["decided"].tolist(), outcome)
    answers = rows[rows["event"].isin(("accepted", "overridden"))]
    rated = rows[rows["event"] == "rated"]
    name = ws.use_case.name
    return {
        "seen": int(rows["decision_id"].nunique()),  # whoever answers or rates has seen it
        "accepted": int((rows["event"] == "accepted").sum()),
        "overridden": len(over),
        "known": len(known),
        "right": int((gain > 0).sum()),
        "gain": float(gain.sum()),
        "responses": len(rows),
        "simulated": int(rows["simulated"].sum()),
        "active": {w: sorted({digest([name, p]) for p in g["person"]}) for w, g in answers.groupby("week")},
        "weeks": {
            w: [int((g["event"] == "accepted").sum()), int((g["event"] == "overridden").sum())]
            for w, g in answers.groupby("week")
        },
        "ratings": {w: [int(g["rating"].sum()), len(g)] for w, g in rated.groupby("week")},
        "roles": {
            r: [int((g["event"] == "accepted").sum()), int((g["event"] == "overridden").sum())]
            for r, g in answers.groupby("role")
        },
    }


@dataclass(frozen=True)
class Week:
    """An ISO week (Monday first, on the use case's own clock) in which somebody answered or rated.

    `retained`: share of its active people who were active the week after as well; None: that week isn't there yet.
    """

    week: str
    accepted: int
    overridden: int
    active: int
    retained: float | None
    rating: float | None
    ratings: int


@dataclass(frozen=True)
class Acceptance:
    """All partitions together. Money in the KPI's unit.

    `gain`: what the overrides whose outcome is known were worth beyond the decisions they replaced; `each`: per 1,000
    of them, with its 95% interval. `idle`: the newest partitions decided in a row that nobody looked at.
    """

    decisions: int
    seen: int
    accepted: int
    overridden: int
    known: int
    right: int
    gain: float
    each: Interval
    responses: int
    simulated: int
    rating: float | None
    roles: dict[str, list[int]]
    weeks: list[Week]
    idle: int

    @property
    def answered(self) -> int:
        """Decisions that were accepted or overridden."""
        return self.accepted + self.overridden

    @property
    def uptake(self) -> float | None:
        """Share of the decisions seen that were followed."""
        return self.accepted / self.seen if self.seen else None

    @property
    def override_rate(self) -> float | None:
        """Share of the decisions answered that were overridden."""
        return self.overridden / self.answered if self.answered else None

    @property
    def retention(self) -> float | None:
        """Of the people active in a week, the share active in the next one, over all weeks that have a next one."""
        weeks = [w for w in self.weeks if w.retained is not None]
        active = sum(w.active for w in weeks)
        return sum(w.active * (w.retained or 0.0) for w in weeks) / active if active else None

    @property
    def rubber_stamp(self) -> float | None:
        """Upper end of the 95% interval of the override rate (Clopper & Pearson 1934); None: nobody answered."""
        from scipy.stats import binomtest

        if not self.answered:
            return None
        return float(binomtest(self.overridden, self.answered).proportion_ci(0.95, "exact").high)

    def alarms(self, ws: Workspace) -> dict[Alarm, str]:
        """What should worry the owner, in words: nobody comes, nobody ever disagrees, few follow."""
        watch, found = ws.use_case.watch, dict[Alarm, str]()
        if self.idle >= watch.no_user_days:
            found["no user"] = f"Nobody looked at the decisions of the newest {self.idle} days."
        if self.rubber_stamp is not None and self.rubber_stamp < watch.min_overrides:
            found["rubber stamp"] = (
                f"Of {self.answered:,} answers {self.overridden:,} disagreed, surely fewer than"
                f" {watch.min_overrides:.1%}: are the decisions looked at at all?"
            )
        if self.uptake is not None and self.uptake < watch.min_uptake:
            found["low uptake"] = (
                f"Of the decisions seen {self.uptake:.0%} were followed; {watch.min_uptake:.0%} are the least."
            )
        return found

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON: money to the cent, shares to a tenth of a thousandth; what isn't known is null."""
        return {
            **{k: getattr(self, k) for k in (*COUNTS, "answered", "idle", "roles")},
            **{k: _rounded(getattr(self, k), 4) for k in ("uptake", "override_rate", "retention", "rating")},
            "gain": round(self.gain, 2),
            "gain_per_1000": {k: _rounded(v, 2) for k, v in self.each.__dict__.items()},
            "weeks": [w.__dict__ | {"retained": _rounded(w.retained, 4), "rating": _rounded(w.rating, 4)}
                      for w in self.weeks],
        }  # fmt: skip


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or value != value else round(value, digits)


def facts(ws: Workspace, track: str) -> Acceptance:
    """Over all partitions of a track."""
    decided = ws.lake.entries(decisions_of(track))
    found = {p: e.facts for p, e in ws.lake.entries(dataset(track)).items()}
    total = {c: sum(f[c] for f in found.values()) for c in COUNTS} | {
        "decisions": sum(e.rows for e in decided.values())
    }
    idle = next(
        (i for i, p in enumerate(sorted(decided, reverse=True)) if p in found and found[p]["responses"]), len(decided)
    )
    roles: dict[str, list[int]] = {}
    for one in found.values():
        for role, said in one["roles"].items():
            roles[role] = [a + b for a, b in zip(roles.get(role, [0, 0]), said, strict=True)]
    weeks = _weeks(list(found.values()))
    stars, ratings = sum((w.rating or 0.0) * w.ratings for w in weeks), sum(w.ratings for w in weeks)
    return Acceptance(
        **total,
        gain=sum(f["gain"] for f in found.values()),
        each=ratio([f["gain"] for f in found.values()], [f["known"] for f in found.values()]),
        rating=stars / ratings if ratings else None,
        roles=roles,
        weeks=weeks,
        idle=idle,
    )


def _weeks(found: Sequence[Mapping[str, Any]]) -> list[Week]:
    people: dict[str, set[str]] = defaultdict(set)
    accepted, overridden, stars, ratings = (Counter[str]() for _ in range(4))
    for one in found:
        for week, who in one["active"].items():
            people[week] |= set(who)
        for week, (yes, no) in one["weeks"].items():
            accepted[week] += yes
            overridden[week] += no
        for week, (given, count) in one["ratings"].items():
            stars[week] += given
            ratings[week] += count
    weeks = sorted(people.keys() | ratings.keys())
    return [
        Week(
            week=w,
            accepted=accepted[w],
            overridden=overridden[w],
            active=len(people[w]),
            retained=len(people[w] & people[_next(w)]) / len(people[w]) if people[w] and weeks[-1] > w else None,
            rating=stars[w] / ratings[w] if ratings[w] else None,
            ratings=ratings[w],
        )
        for w in weeks
    ]


def _next(week: str) -> str:
    monday = date.fromisoformat(f"{week}-1") + timedelta(days=7)
    year, number, _ = monday.isocalendar()
    return f"{year}-W{number:02}"


def holds(ws: Workspace, found: Acceptance) -> list[str]:
    """What stands against giving the decisions more room; empty: acceptance holds."""
    if not found.answered:
        return ["Nobody has answered a decision yet."]
    return [*found.alarms(ws).values()]


def told(ws: Workspace, found: Acceptance) -> list[str]:
    """What it says to the owner, a sentence each; simulated responses are said to be."""
    if not found.responses:
        return ["Nobody has answered a decision yet."]
    said, unit = [], ws.use_case.kpi.unit
    if found.simulated:
        said.append(f"Simulated: {found.simulated:,} of {found.responses:,} responses.")
    said.append(
        f"{found.seen:,} decisions were looked at, {found.accepted:,} followed and {found.overridden:,} overridden."
    )
    if found.known:
        said.append(
            f"What became of {found.known:,} overrides is known: {found.right:,} were right; they were worth"
            f" {found.gain:+,.0f} {unit} against following."
        )
    if found.retention is not None:
        said.append(f"Of those who answered in a week, {found.retention:.0%} answered again in the next.")
    if found.rating is not None:
        said.append(f"They rate it {found.rating:.1f} of 5.")
    return [*said, *found.alarms(ws).values()]
