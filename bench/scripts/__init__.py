"""The chain's work as plain scripts, in DuckDB and in pandas: the floor that the chain is compared with.

The scripts import nothing of the project. They read the declaration and the SQL of the use case from its folder. Start
reading at `plain_duckdb.py`.
"""
