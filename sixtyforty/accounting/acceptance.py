"""Do people use it? What they saw, followed and overrode, who was right in money, who came back, what they think of it.

The whole is the sum of the partitions, each accounted for by itself (`usage`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from sixtyforty.accounting.usage import COUNTS, WHO, dataset
from sixtyforty.decisions.deciding import dataset as decisions_of
from sixtyforty.value.lift import Interval, ratio
from sixtyforty.workspace import Workspace

Alarm = Literal["no user", "rubber stamp", "low uptake"]
Facts = Mapping[str, Any]  # of one partition, as `usage.account` says it


@dataclass(frozen=True)
class Week:
    """An ISO week (Monday first, on the use case's own clock) of which something was decided, or in which somebody
    answered or rated.

    `active`: deciders who answered. `retained`: share of them who were active the week after as well; None: that week
    isn't there yet. `kept`: share of the very first week's who are active in this one.
    """

    week: str
    accepted: int
    overridden: int
    active: int
    retained: float | None
    kept: float | None
    rating: float | None
    ratings: int


@dataclass(frozen=True)
class Use:
    """Decisions seen, and what was said to them."""

    seen: int
    accepted: int
    overridden: int

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
    def rubber_stamp(self) -> float | None:
        """Upper end of the 95% interval of the override rate (Clopper & Pearson 1934); None: nobody answered."""
        from scipy.stats import binomtest

        if not self.answered:
            return None
        return float(binomtest(self.overridden, self.answered).proportion_ci(0.95, "exact").high)


@dataclass(frozen=True)
class Role:
    """The answers of a role. `gain`: what its `known` overrides (outcome known) were worth beyond what was decided.

    `each`: that per 1,000 of them, with its 95% interval (day blocks).
    """

    accepted: int
    overridden: int
    known: int
    right: int
    gain: float
    each: Interval

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON: money to the cent; what isn't known is null."""
        return {**{k: getattr(self, k) for k in WHO}, "gain": round(self.gain, 2), "gain_per_1000": _plain(self.each)}


@dataclass(frozen=True)
class Acceptance(Use):
    """All partitions together. Money in the KPI's unit.

    `gain`: what the overrides whose outcome is known were worth beyond the decisions they replaced; `each`: per 1,000
    of them, with its 95% interval (day blocks). `recent`: the newest days decided, as many as the watch looks at.
    `idle`: the newest partitions decided in a row that nobody looked at. `unmatched`: responses to no decision.
    """

    decisions: int
    known: int
    right: int
    gain: float
    each: Interval
    responses: int
    simulated: int
    unmatched: int
    rating: float | None
    roles: dict[str, Role]
    weeks: list[Week]
    recent: Use
    idle: int

    @property
    def label(self) -> str:
        """What must be said beside the figures: how many of the responses nobody gave; empty when people gave all."""
        return f"simulated: {self.simulated:,} of {self.responses:,} responses" if self.simulated else ""

    @property
    def retention(self) -> float | None:
        """Of the deciders active in a week, the share active in the next one, over all weeks that have a next one."""
        weeks = [w for w in self.weeks if w.retained is not None]
        active = sum(w.active for w in weeks)
        return sum(w.active * (w.retained or 0.0) for w in weeks) / active if active else None

    def alarms(self, ws: Workspace) -> dict[Alarm, str]:
        """What should worry the owner, in words: nobody comes; of the newest days, nobody disagrees, few follow."""
        watch, found, lately = ws.use_case.watch, dict[Alarm, str](), self.recent
        if self.idle >= watch.no_user_days:
            found["no user"] = f"Nobody looked at the decisions of the newest {self.idle} days."
        if lately.rubber_stamp is not None and lately.rubber_stamp < watch.min_override_share:
            found["rubber stamp"] = (
                f"Of {lately.answered:,} answers {lately.overridden:,} disagreed, surely fewer than"
                f" {watch.min_override_share:.1%}: are the decisions looked at at all?"
            )
        if lately.uptake is not None and lately.uptake < watch.min_uptake_share:
            found["low uptake"] = (
                f"Of the decisions seen {lately.uptake:.0%} were followed; {watch.min_uptake_share:.0%} are the least."
            )
        return found

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON: money to the cent, shares to a tenth of a thousandth; what isn't known is null."""
        return {
            **{k: getattr(self, k) for k in (*COUNTS, "answered", "idle")},
            **{k: _rounded(getattr(self, k), 4) for k in ("uptake", "override_rate", "retention", "rating")},
            "gain": round(self.gain, 2),
            "gain_per_1000": _plain(self.each),
            "roles": {name: role.plain for name, role in self.roles.items()},
            "recent": self.recent.__dict__,
            "weeks": [
                w.__dict__ | {k: _rounded(getattr(w, k), 4) for k in ("retained", "kept", "rating")} for w in self.weeks
            ],
        }


def _plain(interval: Interval) -> dict[str, float | None]:
    return {k: _rounded(v, 2) for k, v in interval.__dict__.items()}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or value != value else round(value, digits)


def facts(ws: Workspace, track: str, sure: bool = True) -> Acceptance:
    """Over all partitions of a track; how sure the money of overrides is takes longest, and may be left unknown."""
    decided = {p: e.rows for p, e in ws.lake.entries(decisions_of(track)).items()}
    found = {p: e.facts for p, e in ws.lake.entries(dataset(track)).items()}
    everything, newest = (
        list(found.values()),
        sorted(decided)[-ws.use_case.decisions_in(ws.use_case.watch.usage_days) :],
    )
    total = {c: sum(f[c] for f in everything) for c in COUNTS} | {"decisions": sum(decided.values())}
    idle = next((i for i, p in enumerate(sorted(decided, reverse=True)) if p in found and found[p]["seen"]), None)
    stars, ratings = (sum(r[i] for f in everything for r in f["ratings"].values()) for i in (0, 1))
    recent = {c: sum(found[p][c] for p in newest if p in found) for c in ("seen", "accepted", "overridden")}
    return Acceptance(
        **total,
        gain=sum(f["gain"] for f in everything),
        each=_each(everything, sure),
        rating=stars / ratings if ratings else None,
        roles={
            r: _role([f["roles"][r] for f in everything if r in f["roles"]], sure)
            for r in sorted({r for f in everything for r in f["roles"]})
        },
        weeks=_weeks(everything, map(ws.use_case.day_of, decided)),
        recent=Use(**recent),
        idle=len(decided) if idle is None else idle,
    )


def _role(days: Sequence[Facts], sure: bool) -> Role:
    return Role(**{c: sum(d[c] for d in days) for c in WHO}, each=_each(days, sure))


def _each(days: Sequence[Facts], sure: bool) -> Interval:
    unknown = Interval(float("nan"), float("nan"), float("nan"))
    return ratio([d["gain"] for d in days], [d["known"] for d in days]) if sure else unknown


def _weeks(found: Sequence[Facts], decided: Iterable[date]) -> list[Week]:
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
    weeks = sorted({*accepted, *overridden, *ratings, *map(_week, decided)})
    first = next((people[w] for w in weeks if people[w]), set())
    return [
        Week(
            week=w,
            accepted=accepted[w],
            overridden=overridden[w],
            active=len(people[w]),
            retained=len(people[w] & people[_next(w)]) / len(people[w]) if people[w] and weeks[-1] > w else None,
            kept=len(people[w] & first) / len(first) if first else None,
            rating=stars[w] / ratings[w] if ratings[w] else None,
            ratings=ratings[w],
        )
        for w in weeks
    ]


def _week(day: date) -> str:
    year, number, _ = day.isocalendar()
    return f"{year}-W{number:02}"


def _next(week: str) -> str:
    return _week(date.fromisoformat(f"{week}-1") + timedelta(days=7))


def holds(ws: Workspace, found: Acceptance) -> list[str]:
    """What stands against giving the decisions more room; empty: acceptance holds."""
    if not found.answered:
        return ["Nobody has answered a decision yet."]
    said = [*found.alarms(ws).values()]
    if found.simulated:
        said.append(f"What is simulated is no sign of use ({found.label}).")
    return said


def sure(each: Interval) -> str:
    """How sure the money of overrides is, for each of them; nothing where that isn't known."""
    if each.low != each.low:
        return ""
    value, low, high = (v / 1000 for v in (each.value, each.low, each.high))
    return f", {value:+,.0f} each (95%: {low:+,.0f} to {high:+,.0f})"


def told(ws: Workspace, found: Acceptance) -> list[str]:
    """What it says to the owner, a sentence each; simulated responses are said to be."""
    if not found.responses:
        return ["Nobody has answered a decision yet."]
    said, unit = [], ws.use_case.kpi.unit
    if found.simulated:
        said.append(f"{found.label[0].upper()}{found.label[1:]}.")
    said.append(
        f"{found.seen:,} decisions were looked at, {found.accepted:,} followed and {found.overridden:,} overridden."
    )
    if found.known:
        said.append(
            f"What became of {found.known:,} overrides is known: {found.right:,} were right; they were worth"
            f" {found.gain:+,.0f} {unit} against following{sure(found.each)}."
        )
    if found.retention is not None:
        said.append(f"Of those who answered in a week, {found.retention:.0%} answered again in the next.")
    if found.rating is not None:
        said.append(f"They rate it {found.rating:.1f} of 5.")
    return [*said, *found.alarms(ws).values()]
