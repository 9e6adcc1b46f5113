"""Let sensors go on at once after the clock of the machine was set back.

Dagster's daemon evaluates a sensor when enough time has passed since its last tick. If the clock was set back by an
hour, the last tick lies an hour in the future, and the sensor would wait for so long.
"""

from __future__ import annotations

import time
from typing import Any

from pipelines.runtime.dagster_internals import InstigatorState

TOLERANCE = 5.0  # seconds; clocks of two machines that share a storage differ by less
TICK_TIMES = ("last_tick_timestamp", "last_tick_start_timestamp")


def forget_future_ticks(storage: Any) -> None:
    """Change how a Dagster storage lists the states of sensors: a last tick in the future counts as none.

    storage: Dagster's storage of runs, events and schedules. The daemon reads the states before each round.
    """
    schedules = storage.schedule_storage
    list_states, get_state = schedules.all_instigator_state, schedules.get_instigator_state

    def list_current_states(*arguments: Any, **options: Any) -> list[InstigatorState]:
        return [without_future_ticks(state, time.time()) for state in list_states(*arguments, **options)]

    def get_current_state(*arguments: Any, **options: Any) -> InstigatorState | None:
        state = get_state(*arguments, **options)
        return state and without_future_ticks(state, time.time())

    schedules.all_instigator_state, schedules.get_instigator_state = list_current_states, get_current_state


def without_future_ticks(state: InstigatorState, now: float) -> InstigatorState:
    """Return a sensor's state without the times of ticks that lie in the future. Schedules stay unchanged.

    A schedule must not start twice for the time that the clock repeats. `now`: seconds since 1970.
    """
    settings: Any = state.instigator_data
    future = {name: None for name in TICK_TIMES if (getattr(settings, name, None) or 0.0) > now + TOLERANCE}
    if not future or not hasattr(settings, "min_interval"):
        return state
    return state.with_data(settings._replace(**future))
