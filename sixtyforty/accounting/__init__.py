"""Measure what decisions are worth: KPI ledger and its audit, experiments, usage, forecasts, faults, build or buy.

A ledger writes one account per partition into the lake: the money of the partition's decisions, or how people used
these decisions. The other modules add up the accounts.

The package may import `decisions`, `workspace`, `modeling`, `ingest`, `value`, `storage` and `spec`. Start with
`kpi_ledger` (how an account is written) and `kpi_summary` (how accounts are added up).
"""
