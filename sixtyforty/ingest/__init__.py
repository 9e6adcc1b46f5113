"""Ingest: from the extracts in a landing zone to the `raw` partitions of the lake.

Every row is stored as text, with its extract and its line number, and no row is lost. This package imports `spec` and
`storage` only. Start reading at `landing_zone` (which extracts have arrived), then `raw` (which rows a partition
holds). `extract_reader` and `formats` read one extract. `casting` casts the rows to the types of the data contract.
`profiling` describes files for which no data contract exists yet.
"""
