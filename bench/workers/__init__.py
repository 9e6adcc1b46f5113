"""The processes that the benchmark's items start and measure. Each process prints its figures as JSON on its last line.

This package may import the modules directly in `bench`, but not `items`. Start reading at `definitions_worker.py`.
"""
