"""Choose which decisions of a day the list shows: the lists, the filters that a use case declares, and the search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from desk.decision_day import DecisionDay, ShownDecision, format_fact, local_time
from desk.page_request import FILTER_PREFIX, PageRequest, Problem
from sixtyforty.spec.clock import now

HOUR = timedelta(hours=1)
MAX_OPTIONS = 200  # of a filter; a longer choice is no help
IsListed = Callable[[ShownDecision], bool]


@dataclass(frozen=True)
class FactFilter:
    """A filter by a declared fact. options: label by the text in the address. chosen: the chosen text, or empty."""

    name: str
    options: Mapping[str, str]
    chosen: str

    @property
    def parameter(self) -> str:
        """The name of the filter in the address of the page."""
        return FILTER_PREFIX + self.name


def list_conditions(request: PageRequest, day: DecisionDay) -> dict[str, tuple[str, IsListed]]:
    """Return, by a list's name, its label and which decisions it has.

    If the list is sorted by a time, the first list has the actions that are due in the next hour.
    """
    today = local_time(request.ws.use_case, now())
    lists: dict[str, tuple[str, IsListed]] = {}
    if any(d.due for d in day.decisions):
        lists["next"] = (
            "with action in the next hour",
            lambda d: d.is_active and d.due is not None and today <= d.due <= today + HOUR,
        )
    return lists | {
        "act": ("with action", lambda d: d.is_active),
        "differ": ("differ from the current process", lambda d: d.differs),
        "all": ("in total", lambda d: True),
    }


def fact_filters(request: PageRequest, day: DecisionDay) -> list[FactFilter]:
    """Return the filters that the use case declares, with the options that occur on the day."""
    filters = []
    for name in request.ws.use_case.decision_list.filter:
        options = dict(sorted({_option(d.facts.get(name), day) for d in day.decisions if name in d.facts}))
        if 1 < len(options) <= MAX_OPTIONS:
            filters.append(FactFilter(name, options, request.query.get(FILTER_PREFIX + name, "")))
    return filters


def _option(fact: object, day: DecisionDay) -> tuple[str, str]:
    """Return a fact as the option of a filter: the text in the address, and the label. Times count by their hour."""
    if isinstance(fact, datetime):
        return f"{fact:%Y-%m-%dT%H}", format_fact(fact.replace(minute=0, second=0), day.date)
    return str(fact), format_fact(fact, day.date)


def filter_decisions(
    decisions: Sequence[ShownDecision],
    day: DecisionDay,
    filters: Sequence[FactFilter] = (),
    words: str = "",
) -> list[ShownDecision]:
    """Return the decisions that match the chosen filters and all words of a search.

    A word matches if the decision's id, or a word of a key value, of the label or of a fact, starts with it.
    """
    prefixes, chosen = words.lower().split(), [f for f in filters if f.chosen]
    return [
        d
        for d in decisions
        if all(_option(d.facts.get(f.name), day)[0] == f.chosen for f in chosen)
        and (not prefixes or _matches(_words(d, day), prefixes))
    ]


def _matches(words: Sequence[str], prefixes: Sequence[str]) -> bool:
    return all(any(word.startswith(prefix) for word in words) for prefix in prefixes)


def _words(d: ShownDecision, day: DecisionDay) -> list[str]:
    facts = [format_fact(fact, day.date) for fact in d.facts.values()]
    texts = [*d.unit.values(), *day.common.values(), d.label, *facts]
    return [d.id, *(word for text in texts for word in str(text).lower().split())]


def require_list(lists: Mapping[str, tuple[str, IsListed]], name: str) -> str:
    """Return the name of a list. Raises Problem if it doesn't exist."""
    if name not in lists:
        labels = ", ".join(label for label, _ in lists.values())
        raise Problem(404, "This list doesn't exist", f"Choose one of the lists: {labels}.")
    return name
