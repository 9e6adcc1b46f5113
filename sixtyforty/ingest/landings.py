"""Find out when the rows of a partition arrived.

The evidence is the time at which a scan first found each extract. An extract that lands soon after its partition ends
shows when its rows arrive. An extract of a bulk load, such as a year of past days in one hour, only shows when somebody
copied files. Its rows have no known arrival time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.spec.partitions import PartitionedModel

BATCH_GAP = timedelta(minutes=10)  # extracts that are first seen within this time of one another landed together
BULK_PARTITIONS, BULK_TIME = 3, timedelta(days=3)  # a bulk load spans more partitions and a longer period
BULK_EXTRACTS = 50  # extracts that landed together are also a bulk load if they are more than this
RECENT_PARTITIONS, RECENT_TIME = 3, timedelta(days=7)  # a partition is recent until both periods have passed


def first_seen(arrival: Arrival) -> datetime | None:
    """Return the UTC time (naive) at which a scan first found an extract; None if the ledger doesn't hold the time."""
    return datetime.fromisoformat(arrival.seen_at) if arrival.seen_at else None


class Landings:
    """Tells when the extracts of one source landed, and which of them landed together in bulk.

    model: the use case, which knows when each partition starts and ends.
    arrivals: the rows of the arrivals ledger for all extracts of the source, in order of arrival.
    """

    def __init__(self, model: PartitionedModel, arrivals: Sequence[Arrival]) -> None:
        self._model, self._arrivals = model, arrivals
        self._positions = {arrival.seq: position for position, arrival in enumerate(arrivals)}
        self._bulk: dict[int, bool] = {}

    def arrival(self, seq: int) -> Arrival | None:
        """Return the extract with the arrival number `seq`; None if a newer extract of the same name replaced it."""
        position = self._positions.get(seq)
        return None if position is None else self._arrivals[position]

    def is_recent(self, partition: str, arrival: Arrival) -> bool:
        """Return whether an extract was first seen before a partition's end, or soon after it.

        Soon: within RECENT_PARTITIONS partitions or RECENT_TIME, whichever is longer.
        """
        seen_at, end = first_seen(arrival), self._model.closes_at(partition)
        if seen_at is None:
            return False
        recent_until = self._model.closes_at(self._model.shift(partition, RECENT_PARTITIONS))
        return seen_at <= max(recent_until, end + RECENT_TIME)

    def known_arrival_time(self, partition: str, arrival: Arrival) -> datetime | None:
        """Return the UTC time (naive) at which an extract's rows of a partition arrived; None if it can't be known.

        It can't be known for extracts of a bulk load, and for extracts that landed long after the partition ended.
        """
        if not self.is_recent(partition, arrival) or self._landed_in_bulk(self._positions[arrival.seq]):
            return None
        return first_seen(arrival)

    def _landed_in_bulk(self, position: int) -> bool:
        """Return whether an extract belongs to a bulk load. position: its index in the list of arrivals.

        The search for extracts that landed together stops once there are enough of them, so it never reads the whole
        ledger.
        """
        if position not in self._bulk:
            batch = [self._arrivals[position]]
            for step in (-1, 1):
                neighbor = position + step
                while not self._is_bulk(batch) and self._landed_together(neighbor - step, neighbor):
                    batch.append(self._arrivals[neighbor])
                    neighbor += step
            self._bulk[position] = self._is_bulk(batch)
        return self._bulk[position]

    def _landed_together(self, position: int, neighbor: int) -> bool:
        if not 0 <= neighbor < len(self._arrivals):
            return False
        times = [first_seen(self._arrivals[i]) for i in (position, neighbor)]
        return times[0] is not None and times[1] is not None and abs(times[1] - times[0]) <= BATCH_GAP

    def _is_bulk(self, batch: Sequence[Arrival]) -> bool:
        keys = [key for arrival in batch for key in (min(arrival.partitions), max(arrival.partitions))]
        first, last = min(keys), max(keys)
        spans_partitions = self._model.index_of(last) - self._model.index_of(first) + 1 > BULK_PARTITIONS
        spans_time = self._model.closes_at(last) - self._model.opens_at(first) > BULK_TIME
        return len(batch) > BULK_EXTRACTS or (spans_partitions and spans_time)
