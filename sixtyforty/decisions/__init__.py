"""Take decisions, deliver them, explain them, and record what people did with them.

The package may import `sixtyforty.workspace` and everything below it. Start with `deciding.py` (how a decision is
taken) and `decision_table.py` (the columns of a decision). `assignment.py` draws the holdout. `delivery.py` hands
decisions to the business process. `review_queue.py` selects decisions for reviewers. `provenance.py` traces a decision
back to its input files.
"""
