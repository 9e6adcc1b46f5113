"""The roles of the desk's accounts, and the pages that each role may open. No other module grants access to pages.

An account has one or more grants. A grant is a role in all use cases, in one use case, or in the use cases of one team,
which `people.team` of a declaration names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.people import People
from sixtyforty.spec.use_case import UseCase

MENU_LABELS = {  # label in the menu, by address of the page
    "/decisions": "Decisions",
    "/review": "Review",
    "/afterwards": "Afterwards",
    "/impact": "Impact",
    "/trace": "Trace",
    "/what-if": "What if",
    "/portfolio": "Portfolio",
    "/people": "People",
    "/maturity": "Maturity",
    "/record": "Model record",
    "/security": "Security log",
}
PAGES_OF_ROLE = {  # addresses of the pages that a role may open; the first page opens after the log-in
    "decider": ("/decisions", "/afterwards", "/people", "/maturity"),
    "expert": ("/review", "/afterwards", "/people", "/maturity", "/record"),
    "owner": ("/impact", "/what-if", "/portfolio", "/people", "/maturity", "/record"),
    "auditor": ("/trace", "/what-if", "/maturity", "/record", "/security"),
}
# For each page's address: the output that a person has read once the page has opened. See `reports.readership`.
OUTPUT_OF_PAGE = {
    "/decisions": "decisions",
    "/review": "review_queue",
    "/impact": "impact_report",
    "/record": "model_record",
}
TEAM_PREFIX = "team="


class GrantError(SixtyfortyError):
    """A text isn't a role of the desk, with or without a use case or a team."""


@dataclass(frozen=True, order=True)
class Grant:
    """A role of an account. use_case, team: where the role counts; both empty: in all use cases."""

    role: str
    use_case: str = ""
    team: str = ""

    def covers(self, use_case: UseCase) -> bool:
        """Return whether the grant counts in a use case."""
        return self.use_case in ("", use_case.name) and self.team in ("", use_case.people.team)

    def __str__(self) -> str:
        scope = self.use_case or (self.team and TEAM_PREFIX + self.team)
        return f"{self.role}:{scope}" if scope else self.role


def parse_grant(text: str) -> Grant:
    """Parse `decider`, `decider:USE_CASE` or `decider:team=TEAM`. Raises GrantError."""
    role, separator, scope = (part.strip() for part in text.partition(":"))
    is_team = scope.startswith(TEAM_PREFIX)
    scope = scope.removeprefix(TEAM_PREFIX).strip()
    if role not in PAGES_OF_ROLE:
        raise GrantError(f"'{role}' is not a role of the desk. Use one of: {', '.join(PAGES_OF_ROLE)}.")
    if ((separator or is_team) and not scope) or not scope.isprintable():
        raise GrantError(
            f"'{text}' names neither a use case nor a team. Write ROLE, ROLE:USE_CASE or ROLE:{TEAM_PREFIX}TEAM."
        )
    return Grant(role, team=scope) if is_team else Grant(role, use_case=scope)


def parse_grants(lines: str) -> tuple[Grant, ...]:
    """Parse the stored form of grants: one grant a line. Raises GrantError."""
    return tuple(parse_grant(line) for line in lines.splitlines())


def format_grants(grants: Iterable[Grant]) -> str:
    """Return the stored form of grants: one grant a line, sorted, without repetitions."""
    return "\n".join(str(grant) for grant in sorted(set(grants)))


def covers_everything(grants: Iterable[Grant], page: str) -> bool:
    """Return whether a grant opens a page in all use cases, also in those that are removed."""
    return any(page in PAGES_OF_ROLE[grant.role] and not grant.use_case and not grant.team for grant in grants)


def has_role(grants: Iterable[Grant], role: str, use_case: UseCase) -> bool:
    """Return whether grants give a role in a use case."""
    return any(grant.role == role and grant.covers(use_case) for grant in grants)


def roles_of_training(people: People) -> dict[str, str]:
    """Return the role of the desk that completes each training task, by the task's name.

    A task names a role of the business. The people who decide are deciders, the reviewers are experts, and everybody
    else who is trained answers for the use case as an owner.
    """
    reviewers = {_in_words(name) for name in people.review.reviewers} if people.review else set()

    def role_of(name: str) -> str:
        if _in_words(name) == _in_words(people.role):
            return "decider"
        return "expert" if _in_words(name) in reviewers else "owner"

    return {name: role_of(task.role) for name, task in people.change.training.items()}


def _in_words(role: str) -> str:
    return role.replace("_", " ").casefold().strip()


def pages_in(grants: Iterable[Grant], use_case: UseCase) -> tuple[str, ...]:
    """Return the addresses of the pages that grants open in a use case, in the order of the menu."""
    return pages_anywhere(grants, [use_case])


def pages_anywhere(grants: Iterable[Grant], use_cases: Iterable[UseCase]) -> tuple[str, ...]:
    """Return the addresses of the pages that grants open in any of the use cases, in the order of the menu."""
    counting, places = tuple(grants), tuple(use_cases)
    roles = {grant.role for grant in counting if any(grant.covers(use_case) for use_case in places)}
    opened = {page for role in roles for page in PAGES_OF_ROLE[role]}
    return tuple(page for page in MENU_LABELS if page in opened)


def labels_of(pages: Iterable[str]) -> Mapping[str, str]:
    """Return the label of each page by its address."""
    return {page: MENU_LABELS[page] for page in pages}
