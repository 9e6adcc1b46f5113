"""The value of the decisions: the KPI ledger and its audit, experiments, usage, forecasts, faults, build or buy.

The ledgers write one account per partition into the lake; the other modules add the accounts up. This package may
import `decisions`, `workspace`, `modeling`, `ingest`, `value`, `storage` and `spec`. Start with `kpi_ledger` (how an
account is made) and `kpi_summary` (how accounts are added up).
"""
