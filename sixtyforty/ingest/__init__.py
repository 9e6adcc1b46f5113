"""Ingest: from the extracts in a landing zone to the `raw` partitions of the lake.

Every row becomes text with its file and line, and no row is lost. This package imports `spec` and `storage` only.
Start reading at `landing_zone` (what has arrived), then `raw` (which extracts a partition holds). `extract_reader` and
`formats` read one extract; `casting` casts the rows; `profiling` measures rows before a contract exists.
"""
