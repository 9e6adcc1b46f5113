"""Measure acceptance: whether people follow the decisions, gain money when they override them, and keep answering.

The totals are the sums of the partitions' usage accounts (`usage`). `acceptance_messages` describes the totals in
sentences.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from sixtyforty.accounting.usage import ANSWER_FIELDS, COUNTS, AnswerCounts, PartitionUsage, usage_dataset
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.track import Track
from sixtyforty.value.lift import UNKNOWN, Interval, measure_ratio
from sixtyforty.value.rounded_interval import RoundedInterval, round_known
from sixtyforty.value.unit_groups import NOT_GROUPED
from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class UsageWeek:
    """An ISO week (from Monday, in the use case's time zone) with decisions, answers or ratings.

    `accepted` and `overridden` count answers. `active` counts the deciders who answered in the week. `retained` is the
    share of these deciders who also answered in the next week, None if the week is the last one.
    `retained_from_first_week` is the share of the deciders of the first week with answers who also answered in this
    week. `rating` is the mean of the week's `ratings` ratings, from 1 to 5.
    """

    week: str
    accepted: int
    overridden: int
    active: int
    retained: float | None
    retained_from_first_week: float | None
    rating: float | None
    ratings: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of the week for JSON. Shares and the rating are rounded to four digits."""
        shares = ("retained", "retained_from_first_week", "rating")
        return asdict(self) | {name: round_known(getattr(self, name), 4) for name in shares}


@dataclass(frozen=True)
class UsageCounts:
    """How many decisions people saw, followed and overrode."""

    seen: int
    accepted: int
    overridden: int

    @property
    def answered(self) -> int:
        """Number of decisions that were followed or overridden."""
        return self.accepted + self.overridden

    @property
    def uptake(self) -> float | None:
        """Share of the seen decisions that people followed; None if no decision was seen."""
        return self.accepted / self.seen if self.seen else None

    @property
    def override_rate(self) -> float | None:
        """Share of the answered decisions that people overrode; None if no decision was answered."""
        return self.overridden / self.answered if self.answered else None

    @property
    def override_rate_upper_bound(self) -> float | None:
        """Upper end of the override rate's 95% confidence interval (Clopper-Pearson 1934); None without answers."""
        from scipy.stats import binomtest

        if not self.answered:
            return None
        return float(binomtest(self.overridden, self.answered).proportion_ci(0.95, "exact").high)


@dataclass(frozen=True)
class RoleAcceptance:
    """The answers of people in one role, with the fields of `usage.AnswerCounts`. Money is in the KPI's currency.

    `gain_per_1000` is the gain per 1,000 overrides with a known outcome, with its 95% confidence interval.
    """

    accepted: int
    overridden: int
    known: int
    right: int
    gain: float
    gain_per_1000: Interval

    def to_dict(self) -> dict[str, Any]:
        """Return the role's figures for JSON. Money is rounded to the cent."""
        interval = RoundedInterval.of(self.gain_per_1000).to_dict()
        return asdict(self) | {"gain": round(self.gain, 2), "gain_per_1000": interval}


@dataclass(frozen=True)
class Acceptance(UsageCounts):
    """How people used the decisions of all partitions, added up. Money is in the KPI's currency.

    `usage.PartitionUsage` describes the counts.
    `gain_per_1000` is the gain per 1,000 overrides with a known outcome. Its 95% confidence interval resamples whole
    partitions. `rating` is the mean rating, from 1 to 5. `recent` covers the newest `watch.usage_days` days.
    `idle` is the number of consecutive partitions, up to the newest, whose decisions nobody saw.
    """

    decisions: int
    known: int
    right: int
    gain: float
    gain_per_1000: Interval
    responses: int
    simulated: int
    unmatched: int
    rating: float | None
    roles: dict[str, RoleAcceptance]
    weeks: list[UsageWeek]
    recent: UsageCounts
    idle: int

    @property
    def label(self) -> str:
        """The label next to every figure if some responses are simulated; empty if people gave all responses."""
        return f"simulated: {self.simulated:,} of {self.responses:,} responses" if self.simulated else ""

    @property
    def retention(self) -> float | None:
        """Share of a week's deciders who also answer in the next week, averaged over all weeks but the last."""
        weeks = [w for w in self.weeks if w.retained is not None]
        active = sum(w.active for w in weeks)
        return sum(w.active * (w.retained or 0.0) for w in weeks) / active if active else None

    def to_dict(self) -> dict[str, Any]:
        """Return the acceptance for JSON. Money is rounded to the cent, and an unknown figure is None."""
        shares = ("uptake", "override_rate", "retention", "rating")
        return {
            **{name: getattr(self, name) for name in (*COUNTS, "answered", "idle")},
            **{name: round_known(getattr(self, name), 4) for name in shares},
            "gain": round(self.gain, 2),
            "gain_per_1000": RoundedInterval.of(self.gain_per_1000).to_dict(),
            "roles": {name: role.to_dict() for name, role in self.roles.items()},
            "recent": asdict(self.recent),
            "weeks": [week.to_dict() for week in self.weeks],
        }


def summarize_acceptance(ws: Workspace, track: Track, with_intervals: bool = True) -> Acceptance:
    """Return the acceptance over all partitions of a track.

    with_intervals: whether to compute the confidence intervals, which takes most of the time. If False, the intervals
    are NaN.
    """
    decisions = {p: entry.rows for p, entry in ws.lake.entries(decisions_dataset(track)).items()}
    usages = {p: PartitionUsage.from_entry(entry) for p, entry in ws.lake.entries(usage_dataset(track)).items()}
    everything = list(usages.values())

    def gain_per_1000(answers: Mapping[str, AnswerCounts]) -> Interval:
        if not with_intervals:
            return UNKNOWN
        gains, known = ([getattr(a, name) for a in answers.values()] for name in ("gain", "known"))
        groups = NOT_GROUPED if ws.use_case.units_recur else None
        return measure_ratio(track, list(answers), gains, known, ws.use_case.kpi.block_days, groups=groups)

    def summarize_role(role: str) -> RoleAcceptance:
        answers = {p: usage.roles[role] for p, usage in usages.items() if role in usage.roles}
        sums = {name: sum(getattr(a, name) for a in answers.values()) for name in ANSWER_FIELDS}
        return RoleAcceptance(**sums, gain_per_1000=gain_per_1000(answers))

    totals = {name: sum(getattr(u, name) for u in everything) for name in COUNTS}
    newest = sorted(decisions)[-ws.use_case.decision_count(ws.use_case.watch.usage_days) :]
    recent = [usages[p] for p in newest if p in usages]
    stars, ratings = (sum(week[i] for u in everything for week in u.ratings.values()) for i in (0, 1))
    roles = sorted({role for u in everything for role in u.roles})
    return Acceptance(
        **totals | {"decisions": sum(decisions.values())},
        gain=sum(u.gain for u in everything),
        gain_per_1000=gain_per_1000(usages),
        rating=stars / ratings if ratings else None,
        roles={role: summarize_role(role) for role in roles},
        weeks=_summarize_weeks(everything, map(ws.use_case.first_day, decisions)),
        recent=UsageCounts(**{n: sum(getattr(u, n) for u in recent) for n in ("seen", "accepted", "overridden")}),
        idle=next(
            (i for i, p in enumerate(sorted(decisions, reverse=True)) if _was_seen(usages.get(p))), len(decisions)
        ),
    )


def _was_seen(usage: PartitionUsage | None) -> bool:
    return usage is not None and usage.seen > 0


def _summarize_weeks(usages: Sequence[PartitionUsage], days: Iterable[date]) -> list[UsageWeek]:
    """Return the weeks that have decisions, answers or ratings, oldest first. days: the local days with decisions."""
    deciders: dict[str, set[str]] = defaultdict(set)
    accepted, overridden, stars, ratings = (Counter[str]() for _ in range(4))
    for usage in usages:
        for week, pseudonyms in usage.active.items():
            deciders[week].update(pseudonyms)
        for week, (followed, replaced) in usage.weeks.items():
            accepted[week] += followed
            overridden[week] += replaced
        for week, (total, count) in usage.ratings.items():
            stars[week] += total
            ratings[week] += count
    weeks = sorted({*accepted, *overridden, *ratings, *map(_week_of, days)})
    first_deciders = next((deciders[w] for w in weeks if deciders[w]), set())
    return [
        UsageWeek(
            week=w,
            accepted=accepted[w],
            overridden=overridden[w],
            active=len(deciders[w]),
            retained=_overlap(deciders[w], deciders[_week_after(w)]) if weeks[-1] > w else None,
            retained_from_first_week=_overlap(first_deciders, deciders[w]),
            rating=stars[w] / ratings[w] if ratings[w] else None,
            ratings=ratings[w],
        )
        for w in weeks
    ]


def _overlap(people: set[str], later: set[str]) -> float | None:
    """Return the share of a week's people who also answered in a `later` week; None if nobody answered in the week."""
    return len(people & later) / len(people) if people else None


def _week_of(day: date) -> str:
    year, number, _ = day.isocalendar()
    return f"{year}-W{number:02}"


def _week_after(week: str) -> str:
    return _week_of(date.fromisoformat(f"{week}-1") + timedelta(days=7))
