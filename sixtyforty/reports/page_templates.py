"""The Jinja environment of the pages and of the model record, with filters that format figures, money and dates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sixtyforty.reports import gain_basis_texts
from sixtyforty.spec.kpi_wording import (
    describe_action,
    describe_expected,
    describe_label,
    describe_outcome,
    payoff_sentences,
)
from sixtyforty.spec.money import UNKNOWN, format_exact_money, format_money
from sixtyforty.spec.wording import capitalize_first, format_date, format_plural

if TYPE_CHECKING:
    from jinja2 import Environment

DECIDERS = {  # who decided, in words
    "fallback": "current process, as a fallback",
    "review": "current process, until a reviewer answers",
    "holdout": "current process, in the holdout",
    "shadow": "current process, while the model runs in shadow",
}


def page_environment(*packages: str) -> Environment:
    """Return the Jinja environment with the templates in `templates/` and the filters of this module.

    packages: other packages with a folder `templates`. Their templates take precedence over the templates of this
    package, and may extend them. HTML templates escape all variables. Markdown templates must apply the filter `cell`
    or `quoted` to texts that people wrote.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, select_autoescape

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(p, "templates") for p in (*packages, "sixtyforty.reports")]),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": format_count,
        "signed": format_signed,
        "percent": format_percent,
        "plain": format_plain,
        "money": format_money,
        "signed_money": format_signed_money,
        "payoff": format_payoff,
        "long_date": format_date,
        "plural": format_plural,
        "stage": format_stage,
        "capitalized": capitalize_first,
        "describe_decider": describe_decider,
        "describe_dataset": describe_dataset,
        "rounded": format_rounded,
        "cell": escape_table_cell,
        "quoted": escape_quotation,
        "describe_action": describe_action,
        "describe_expected": describe_expected,
        "describe_outcome": describe_outcome,
        "payoff_sentences": payoff_sentences,
        "evidence_label": describe_label,
        "name_payoff": gain_basis_texts.name_payoff,
        "declared_payoff": gain_basis_texts.describe_declared,
        "break_even": gain_basis_texts.describe_break_even,
        "change": gain_basis_texts.describe_change,
        "explain_need": gain_basis_texts.explain_need,
        "activity_sentences": gain_basis_texts.describe_activity,
        "outcome_mean": gain_basis_texts.format_mean,
    }
    return environment


def format_count(number: float | None) -> str:
    """Return a number with thousands separators, such as `2,606,050`; a dash if it is None."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def format_signed(number: float | None) -> str:
    """Return a number with its sign, such as `+1,200`; a dash if it is None or NaN."""
    return UNKNOWN if number is None or math.isnan(number) else f"{number:+,.0f}"


def format_percent(share: float | None, digits: int = 0) -> str:
    """Return a share as a percentage, such as `22%`; a dash if it is None."""
    return UNKNOWN if share is None else f"{share:.{digits}%}"


def format_plain(number: float | None) -> str:
    """Return a number as programs write it, such as `2606050` or `2.5`; an empty text if it is None."""
    return "" if number is None else f"{number:.15g}"


def format_signed_money(amount: float | None, unit: str) -> str:
    """Return an amount of money with its sign, such as `+$500`."""
    return format_money(amount, unit, signed=True)


def format_payoff(payoff: float | str, unit: str) -> str:
    """Return the declared cost or gain of an action, such as `$2.50`, or its SQL, escaped for Markdown."""
    return _inert(payoff) if isinstance(payoff, str) else format_exact_money(payoff, unit)


def describe_decider(decided_by: str) -> str:
    """Return who decided in words, such as `current process, as a fallback`."""
    return DECIDERS.get(decided_by, decided_by.replace("_", " "))


def describe_dataset(dataset: str) -> str:
    """Return the name of a dataset in words: `validated/check_ins` becomes `check ins, validated`."""
    kind, _, name = dataset.rpartition("/")
    return f"{name}, {kind}".replace("_", " ") if kind else name.replace("_", " ")


def format_rounded(content: object) -> str:
    """Return a stored value for people: a number with four significant digits, `yes` or `no`, or its text."""
    if content is None:
        return "not known"
    if isinstance(content, bool):
        return "yes" if content else "no"
    if isinstance(content, float):
        return "not known" if math.isnan(content) else f"{content:,.0f}" if abs(content) >= 1000 else f"{content:.4g}"
    return str(content)


def format_stage(stage: str) -> str:
    """Return the name of a stage for people: `proof of concept` for `poc`, every other stage unchanged."""
    return "proof of concept" if stage == "poc" else stage


def escape_table_cell(text: str) -> str:
    """Return a text escaped for one cell of a Markdown table, so that it can't break the row or add HTML."""
    return " ".join(_inert(text).split()).replace("|", "\\|")


def escape_quotation(text: str) -> str:
    """Return a text as a Markdown quotation (lines that start with `>`), escaped so that it can't add HTML."""
    return "\n".join(f"> {line}".rstrip() for line in _inert(text).splitlines())


def _inert(text: str) -> str:
    return text.replace("\\", "\\\\").replace("<", "\\<")
