"""Read the use case's declaration, and find the folder of its SQL, for the plain scripts.

The scripts take all settings from the declaration, so that the scripts and the chain do the same work.
"""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "use_cases" / "flight_delays"
DECLARATION = yaml.load((FOLDER / "defs.yaml").read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["attributes"]
SOURCES = {name: s for name, s in DECLARATION["sources"].items() if "partition" in s and "files" in s}
GAIN_AND_COST = {
    name: (action.get("gain", 0.0), action.get("cost", 0.0)) for name, action in DECLARATION["kpi"]["actions"].items()
}
ZONE = ZoneInfo(DECLARATION["timezone"])
MODEL = DECLARATION["model"]
OUTCOME = DECLARATION["kpi"]["outcome"]
KEY_COLUMNS = DECLARATION["decision"]["key"]
LOOKBACK_DAYS = DECLARATION["lookback_partitions"]
# Days of backtest that the chain's gate needs before a first model decides. A test compares the defaults.
PROOF_DAYS = DECLARATION["gate"].get("min_blocks", 8) * DECLARATION["kpi"].get("block_days", 14)
# In miles per hour. The chain quarantines rows with faster wind. The year has one such row, with 1,048.
MAX_WIND_SPEED = 200
