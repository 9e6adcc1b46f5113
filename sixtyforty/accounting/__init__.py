"""The value of the decisions: the KPI ledger and its audit, experiments, usage, forecasts, faults, build or buy.

A ledger writes one account per partition into the lake: the money of its decisions, or how people used them. The other
modules add the accounts up. This package may import `decisions`, `workspace`, `modeling`, `ingest`,
`value`, `storage` and `spec`. Start with `kpi_ledger` (how an account is made) and `kpi_summary` (how accounts are
added up).
"""
