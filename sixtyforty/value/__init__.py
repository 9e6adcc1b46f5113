"""The value of decisions: payoffs, policies, lift statistics, segments, experiments and candidates.

The package may import `sixtyforty.storage` and `sixtyforty.spec`. It reads no workspace and writes nothing. Start with
`payoffs.py` (what an action pays) and `policy.py` (how scores become actions). `daily_value.py` then adds up the money
of a day, and `lift.py` gives the confidence interval of the gain. `experiment.py` measures the gain if actions change
the outcome.
"""
