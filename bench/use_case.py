"""The use case that the benchmark runs: its name, its sources, its spans of days and its stages."""

from __future__ import annotations

from datetime import date

USE_CASE = "flight_delays"
SOURCES = ("timetable", "movements", "weather")
REFERENCE_TABLES = ("planes", "airports", "airlines")

FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2014, 1, 1)
# Last day of the five-month backfill, to which later items add days. The gate lets a model decide from 1 June.
SHORT_LAST_DAY = date(2013, 6, 8)

SOURCE_STAGES = [f"{kind}/{source}" for source in SOURCES for kind in ("raw", "validated")]
REFERENCE_STAGES = [f"{kind}/{source}" for source in REFERENCE_TABLES for kind in ("raw", "validated")]
DELIVERY_STAGES = [*SOURCE_STAGES, "features", "outcomes", "decisions", "delivery"]
DAY_STAGES = [*DELIVERY_STAGES, "kpi_impact"]
RETRAIN_STAGES = ["training_set", "challenger", "backtest", "champion"]
# Stages whose work the plain scripts don't do: degradation drill, break-even curve, profile of the sources.
STAGES_WITHOUT_SCRIPT = ("degradation", "break_even", "current_state")
