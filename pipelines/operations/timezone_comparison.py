"""Compare DuckDB's and Python's rules of all time zones, for `sixtyforty doctor`."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime

from pipelines.authoring import catalog
from sixtyforty.spec.errors import DeclarationError
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.timezone_rules import RuleDifference, TimezoneRulesError, days_to_compare, find_differences

DAYS_AHEAD = 366
SHOWN_ZONES = 5


def describe_rules() -> str:
    """Check that DuckDB and Python have the same rules for all time zones, from two years ago to a year ahead.

    Return a sentence that says what was compared, and names other zones whose rules differ. Raises TimezoneRulesError
    if the rules of a use case's zone differ: only these can give wrong days.
    """
    import duckdb

    days = days_to_compare(datetime.now(UTC).replace(tzinfo=None), DAYS_AHEAD)
    zones = zoneinfo.available_timezones()
    with duckdb.connect() as db:
        differences = find_differences(db, zones, days)
    if not differences:
        count = format_plural(len(zones), "time zone")
        return f"DuckDB and Python have the same rules for {count} until {days[-1]:%Y-%m-%d}"
    declared = _declared_zones()
    used = [difference for difference in differences if difference.zone in declared]
    if used:
        raise TimezoneRulesError(f"DuckDB and Python have different time zone rules for {_join(used)}")
    return (
        f"the zones of the use cases have the same rules in DuckDB and Python. Other rules differ: {_join(differences)}"
    )


def _join(differences: Sequence[RuleDifference]) -> str:
    hidden = len(differences) - SHOWN_ZONES
    more = [f"and {format_plural(hidden, 'more zone')}"] if hidden > 0 else []
    return "; ".join([*map(str, differences[:SHOWN_ZONES]), *more])


def _declared_zones() -> set[str]:
    """Return the time zones of the use cases whose declaration can be read."""
    zones = set()
    for name in catalog.list_use_cases():
        try:
            zones.add(catalog.load_use_case(name).timezone)
        except DeclarationError:  # the check of the declaration reports it
            continue
    return zones
