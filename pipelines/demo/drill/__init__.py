"""The drill: a week of real extracts under a running daemon, with the faults of a week, and a check of what is left.

It may import what the demo may import. Start reading in `drill.py`, then `plan.py`, which lists the days and faults.
"""
