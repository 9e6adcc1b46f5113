"""Map old names of commands and options to new names. An old name gives a usage error that states the new name."""

from __future__ import annotations

COMMANDS = {
    "finding": "add-finding",
    "land": "land-demo-data",
    "record": "model-record",
    "recover": "restore-backup",
    "restore": "fetch-training-data, or restore-backup for a backup",
    "simulate": "simulate-responses",
    "trained": "training",
    "vendor": "build-or-buy, or vendor-extract to write an extract for a vendor",
}
OPTIONS = {
    ("backup", "--patience"): "--wait-seconds",
    ("champion", "--on"): "--date",
    ("digest", "--on"): "--date",
    ("drill", "--to"): "--folder",
    ("model-record", "--find"): "--search",
    ("rollout", "--down"): "--step-back",
    ("rollout", "--up"): "--advance",
    ("run", "--spread"): "--partitions-per-run",
    ("stage", "--up"): "--advance",
    ("watch", "--every"): "--interval-seconds",
}
