"""The plain DuckDB script's work for a new day, as a Kedro project, a Metaflow flow and a DVC pipeline.

The code here runs in the environments of these tools, so it imports only `bench.scripts`. Start reading at
`day_steps.py`; `bench/peer_runs.py` starts the tools.
"""
