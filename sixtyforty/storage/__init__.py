"""Storage of data in folders, object stores and databases, and the consistency of this data.

The package holds the lake and its manifests, ledgers, receipts, response log, DVC versions, locks and DuckDB sessions.
It may import `sixtyforty.spec` only. Start reading at `lake.py` (datasets) and `hash_chain.py` (ledgers).
"""
