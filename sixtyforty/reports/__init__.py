"""Reports for people: the impact report, the model record, charts, digests, alerts, the portfolio, the knowledge base.

This package may import every other package of `sixtyforty`, but neither Dagster nor Great Expectations.
Start with `impact_report` (the owner's page) and `page_templates` (how pages format figures). People read most
reports on the web pages of the package `desk`.
"""
