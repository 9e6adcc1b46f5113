"""Manage the life cycle of a use case: stages and gates, rollout, champions, training of people, stale partitions.

The modules read figures from `accounting` and write hash-chained ledgers through `storage`. This package may import
every other package of `sixtyforty` except `reports`. Start with `stage_gate`, which judges a stage. Then read `rollout`
(going live in steps) and `stale_partitions` (finding the partitions that need a run).
"""
