"""The benchmark: what the chain costs, compared with plain scripts and other tools that do the same work.

Start reading at `run.py`, which runs the modules of `items` and writes RESULTS.md. `scripts` does the chain's work as
plain scripts, `peers` does the work of one day with other tools, and `workers` holds the processes that items measure.
The benchmark may import every package of the project; only its tests import the benchmark.
"""
