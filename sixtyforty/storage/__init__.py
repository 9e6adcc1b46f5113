"""Storage: how data is kept, in a folder, an object store or a database, and how it stays consistent.

It holds the lake and its manifests, ledgers, receipts, response log, DVC versions, locks and DuckDB sessions. It may
import `sixtyforty.spec` only. Start with `lake.py` for datasets and with `hash_chain.py` for ledgers.
"""
