"""The desk: the web pages for the people who decide, review, own and audit a use case.

This package may import `sixtyforty`, but neither Dagster nor Great Expectations. Start with `app` (which address shows
which page). `access` checks who may open a page, `login` logs people in and out, and each `…_page` module is one page.
"""
