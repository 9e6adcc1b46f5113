"""The chain's work as plain scripts, in DuckDB and in pandas: the lowest cost that the chain is compared with.

The scripts import no other package of the project. They read the declaration and the SQL of the use case from its
folder. Start reading at `plain_duckdb.py`.
"""
