"""The owner's page for "what if" questions: assumed payoffs, success rate, capacity and costs, and their signing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from desk.page_request import PageRequest, Problem
from desk.roles import has_role
from sixtyforty.accounting.assumption_ledger import AssumptionError, open_assumption_ledger, sign_assumption
from sixtyforty.accounting.refused_figures import RefusedFiguresError
from sixtyforty.accounting.what_if_accounts import WhatIfAccounts, open_accounts
from sixtyforty.reports import what_if_texts
from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.what_if import Variable, WhatIfError

MAX_AGE = 60.0  # seconds for which the accounts are cached
NUMBER = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,6})?")
MAX_SIGNED = 100  # signed assumptions that the page shows, the newest first


def what_if_page(request: PageRequest) -> Response:
    """Show the answer to the assumption in the address. A sent form signs its assumption."""
    accounts = _load_accounts(request)
    fields = request.query if request.form is None else request.form
    assumption, problems = read_assumption(accounts.what_if.variables, fields, request.ws.use_case.kpi)
    may_sign = has_role(request.session.grants, "owner", request.ws.use_case)
    if request.form is not None:
        if not may_sign:
            raise Problem(403, "Only an owner signs", "Nothing was saved. Ask an owner of this use case to sign.")
        if not problems:
            try:
                sign_assumption(request.ws, accounts, assumption, request.session.person, request.form.get("why", ""))
            except (AssumptionError, WhatIfError) as error:
                raise Problem(400, "Nothing was signed", str(error)) from error
            return RedirectResponse(f"{link_to(request, assumption)}#signed", 303)
    answer = None
    try:
        answer = None if problems else accounts.what_if.answer(assumption)
    except WhatIfError as error:
        problems = {"": str(error)}
    return request.render(
        "what_if.html",
        400 if problems else 200,
        accounts=accounts,
        summary=accounts.summary,
        declared=accounts.what_if.answer({}),
        answer=answer,
        assumption=assumption,
        declared_numbers={name: v.declared for name, v in accounts.what_if.variables.items()},
        typed=fields,
        problems=problems,
        link=link_to(request, assumption),
        signed=open_assumption_ledger(request.ws).rows()[: -MAX_SIGNED - 1 : -1],
        signed_link=lambda row: link_to(request, row.assumed, row.track),
        may_sign=may_sign,
        texts=what_if_texts,
    )


def read_assumption(
    variables: Mapping[str, Variable], fields: Mapping[str, str], kpi: Kpi
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the assumed numbers that differ from the declared ones, and what is wrong, both by name of the variable.

    fields: the fields of a form or the parameters of an address. Other fields and empty ones are ignored.
    """
    assumption, problems = {}, {}
    for name, variable in variables.items():
        text = fields.get(name, "").strip()
        if not text:
            continue
        number = float(text) if NUMBER.fullmatch(text) else None
        if number is None or not variable.allows(number):
            problems[name] = what_if_texts.describe_variable_limit(variable, kpi)
        elif number != variable.declared:
            assumption[name] = number
    return assumption, problems


def link_to(request: PageRequest, assumption: Mapping[str, float], track: str | None = None) -> str:
    """Return the address of this page with an assumption, which anybody with access to the page can open."""
    place = {"use_case": request.ws.use_case.name, "track": track or request.track}
    return f"{request.path}?{urlencode(place | {name: f'{n:.10g}' for name, n in assumption.items()})}"


def _load_accounts(request: PageRequest) -> WhatIfAccounts:
    """Return the accounts, at most MAX_AGE seconds old. Raises Problem if there are none, or if they are refused."""
    ws, track = request.ws, request.track

    def compute() -> WhatIfAccounts:
        try:
            accounts = open_accounts(ws, track)
        except RefusedFiguresError as error:
            raise Problem(409, "No figures are shown", str(error)) from error
        if accounts is None:
            text = "You can ask what-if questions here once the first outcomes are known."
            raise Problem(404, "There is no impact to vary yet", text)
        return accounts

    return request.desk.cache.get("what if", (ws.use_case.name, track), compute, MAX_AGE)
