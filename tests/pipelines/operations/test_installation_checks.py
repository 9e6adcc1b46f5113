"""The check of `sixtyforty doctor` on connections to databases of other machines."""

from __future__ import annotations

import pytest

from pipelines.operations.installation_checks import describe_unverified_connection

ELSEWHERE = "postgresql://ann:geheim@db.example/ops"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (ELSEWHERE, "the certificate of db.example isn't checked (sslmode=prefer)"),
        (f"{ELSEWHERE}?sslmode=require", "the certificate of db.example isn't checked (sslmode=require)"),
        ("postgresql:///ops?host=db.example", "the certificate of db.example isn't checked (sslmode=prefer)"),
        (f"{ELSEWHERE}?sslmode=verify-full", ""),
        ("postgresql://ann@127.0.0.1:5432/ops", ""),
        ("postgresql://ann@localhost/ops", ""),
        ("postgresql:///ops?host=/var/run/postgresql", ""),
        ("postgresql:///ops", ""),
        ("sqlite:////srv/data/deliveries.sqlite", ""),
    ],
)
def test_a_database_on_another_machine_needs_a_verified_connection(url: str, problem: str) -> None:
    assert describe_unverified_connection(url) == problem
