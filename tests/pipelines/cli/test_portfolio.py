"""`sixtyforty portfolio`: every use case, also in an empty home."""

from __future__ import annotations

from pathlib import Path

from tests.pipelines.conftest import RunCli


def test_the_portfolio_of_an_empty_home_has_every_use_case_and_a_page(run_cli: RunCli) -> None:
    finished = run_cli("portfolio --json")
    assert (finished.code, finished.answer["totals"]) == (0, [])
    lines = finished.answer["lines"]
    assert "flight_delays" in [line["name"] for line in lines]
    assert len({line["advice"] for line in lines}) == 1  # Nothing has run: the same advice for all.
    assert "Portfolio" in Path(finished.answer["page"]).read_text()
    text = run_cli("portfolio").out
    assert text.splitlines()[0].split()[:2] == ["use", "case"]
    assert text.splitlines()[-1] == f"Page: {finished.answer['page']}"


def test_a_proof_of_concept_reaches_every_site(run_cli: RunCli) -> None:
    assert run_cli("portfolio --site Mars --json").answer["lines"]
