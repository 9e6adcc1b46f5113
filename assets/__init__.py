"""The stages of a use case as Dagster assets.

Start with `stage_table`: one entry a stage, in the order of the chain. The functions that do a stage's work are in
`data`, `model`, `decide`, `value` and `reports`; `portfolio` compares all use cases. `wiring` makes Dagster assets.
The package may import `expectations`, `sixtyforty` and Dagster's public names.
"""
