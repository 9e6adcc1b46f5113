"""The stages of a use case as Dagster assets.

Start with `stage_table`: one entry per stage, in the order of the chain. The functions that do a stage's work are in
`data`, `model`, `decide`, `value` and `reports`; `portfolio` compares all use cases. `wiring` builds Dagster assets.
This package may import `expectations`, `sixtyforty` and Dagster's public names.
"""
