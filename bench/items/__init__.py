"""The items of the benchmark, one module per section of RESULTS.md.

Each module of an item has a function `measure` that returns an ItemReport. Items may import all other modules of
`bench`. Start reading at `year.py`, whose homes and extracts the other items use.
"""
