"""Plant each kind of fault in a copy of a live home, and show what happened, what was lost and who was alerted when.

This package may import what the demo may import. Start reading in `fault_drill.py`. `scene.py` holds the copy of the
home; the modules `*_faults.py` hold one function for each kind of fault.
"""
