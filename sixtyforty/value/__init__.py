"""What decisions are worth: payoffs, policies, lift statistics, segments, experiments and candidates.

The package may import `sixtyforty.storage` and `sixtyforty.spec`; it reads no workspace and writes nothing. Start with
`payoffs.py` (what an action pays) and `policy.py` (from scores to actions). `daily_value.py` then adds up the money of
a day, and `lift.py` gives the confidence interval of the gain. `experiment.py` measures decisions whose action changes
the outcome.
"""
