"""Run the drill: a week of real extracts with faults under a running daemon, and a check of the results.

This package may import what the demo may import. Start reading in `drill.py`, then `plan.py`, which lists the days and
the faults.
"""
