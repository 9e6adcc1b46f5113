"""Run the project on Dagster: storage, launchers, workers and the console log.

This package may import `pipelines.settings`, `desk.request_guard` and `sixtyforty`. Start with `storage` and
`launcher`, which dagster.yaml names. Every private Dagster name is in `dagster_internals` and
`dagster_internals_webserver`.
"""
