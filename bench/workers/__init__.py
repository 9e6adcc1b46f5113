"""The processes that the items start and measure. Each prints its figures as JSON on its last line.

Workers may import the modules directly below `bench`, but no item. Start reading at `definitions_worker.py`.
"""
