"""The desk: the web pages for people who decide, review, own and audit.

This package may import `sixtyforty`, but neither Dagster nor Great Expectations. Start with `app`, which maps addresses
to pages. `access` checks who may open a page, `login` logs people in and out, and each `…_page` module is one page.
"""
