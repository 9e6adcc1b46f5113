"""Manage the life of a use case: stages and their gates, rollout, champions, training of people, and catch-up.

The modules read figures from `accounting` and write hash-chained ledgers through `storage`. This package may import
every other package of `sixtyforty` except `reports`. Start with `stage_gate` (how a stage is judged), then `rollout`
(how live running begins) and `catch_up` (which partitions need a run).
"""
