"""Say how fresh sources and decisions must be, from the declaration. Dagster shows it on the pages of the assets."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from assets.stage import StageTarget
from sixtyforty.spec.clock import now
from sixtyforty.spec.draft import Draft

LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(1), "week": timedelta(7), "month": timedelta(31)}


def freshness_policy(target: StageTarget) -> dg.FreshnessPolicy | None:
    """Return the policy of an asset that is due for each partition. None: the asset may stay as it is.

    The warning follows the alert about silent feeds: `watch.max_silent_partitions` complete partitions and the closed
    weekdays may pass without new data. The policy fails one partition later. An asset may stay as it is if it belongs
    to a draft or is a snapshot, or if the declared end of the use case is past. So may responses, because nobody has to
    respond.
    """
    use_case = target.use_case
    if isinstance(use_case, Draft):
        return None
    name, end = target.source_name, use_case.partitions.end
    is_exempt = bool(name) and (name in use_case.snapshots or name == use_case.people.responses)
    if is_exempt or (end is not None and end < now().date()):
        return None
    length = LENGTHS[use_case.partitions.every]
    silent = length * (1 + use_case.watch.max_silent_partitions)
    closed = timedelta(len(use_case.partitions.closed_weekdays))
    return dg.FreshnessPolicy.time_window(fail_window=silent + closed + length, warn_window=silent + closed)
