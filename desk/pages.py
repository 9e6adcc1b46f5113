"""Four small pages of the desk: portfolio, people, maturity and model record."""

from __future__ import annotations

import mistune
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from desk.page_request import PageRequest, Problem, search_words
from desk.roles import has_role, roles_of_training
from sixtyforty.lifecycle import maturity, stage_gate, stage_history, training
from sixtyforty.reports.knowledge import failed_attempts, search_knowledge
from sixtyforty.reports.model_record import record_versions
from sixtyforty.reports.portfolio import PortfolioFacts, collect_facts
from sixtyforty.reports.removed_use_cases import list_removed
from sixtyforty.spec.clock import now

MAX_AGE = 60.0  # seconds for which the portfolio is cached
# Renders the Markdown of model records. HTML in it is shown as text, and links that would run a script don't work.
MARKDOWN = mistune.create_markdown(escape=True, plugins=["table"])


def portfolio_page(request: PageRequest) -> Response:
    """Show the portfolio of the person's use cases, at most MAX_AGE seconds old."""
    workspaces = list(request.page_workspaces.values())

    def compute() -> PortfolioFacts:
        return collect_facts(workspaces)

    facts = request.desk.cache.get("portfolio", tuple(request.page_workspaces), compute, MAX_AGE)
    return request.render("portfolio.html", portfolio=facts)


def maturity_page(request: PageRequest) -> Response:
    """Show the maturity of the person's use cases."""
    return request.render("maturity.html", maturity=maturity.assess_maturity(list(request.page_workspaces.values())))


def people_page(request: PageRequest) -> Response:
    """Show a use case's vision, user research, concerns and training. A sent form records a completed training task."""
    ws = request.ws
    own_tasks = [
        name
        for name, role in roles_of_training(ws.use_case.people).items()
        if has_role(request.session.grants, role, ws.use_case)
    ]
    if request.form is not None:
        task = request.form.get("task", "")
        if task in ws.use_case.people.change.training and task not in own_tasks:
            role = ws.use_case.people.change.training[task].role
            raise Problem(403, "This training is for another role", f"Nothing was saved. Only a {role} completes it.")
        try:
            training.record_completion(ws, task, request.session.person)
        except training.TrainingError as error:
            raise Problem(404, "This training task doesn't exist", "Nothing was saved. Open the page again.") from error
        return RedirectResponse(request.link(), 303)
    return request.render(
        "people.html",
        people=ws.use_case.people,
        completed_by=training.list_trained_people(ws),
        own_tasks=own_tasks,
        completed_share=training.share_trained(ws),
        stage=stage_history.current_stage(ws),
        gate=stage_gate.read_stage_status(ws, now()).gate if ws.use_case.stages else None,
        steps=maturity.list_next_steps(ws, now()),
    )


def record_page(request: PageRequest) -> Response:
    """Show a track's newest model record or, if requested, search results or failed attempts of the person's use cases.

    For people whose role counts in all use cases, the search includes removed use cases.
    """
    words, show_failed = search_words(request.query.get("q", "")), request.query.get("show") == "failed"
    if words or show_failed:
        removed = list_removed(request.ws.home, request.ws.lakes) if request.sees_everything else []
        workspaces = [*request.page_workspaces.values(), *removed]
        hits = search_knowledge(workspaces, words) if words else failed_attempts(workspaces)
        passages = [(hit, plain_lines(hit.text)) for hit in hits]
        return request.render("record.html", words=words, show_failed=show_failed, passages=passages)
    versions = record_versions(request.ws, request.track)
    if not versions:
        text = "The record appears here once the gate has judged the first model."
        raise Problem(404, "There is no model record yet", text)
    text = render_markdown(versions[-1].read_text())
    return request.render("record.html", words="", show_failed=False, number=len(versions), text=text)


def render_markdown(markdown: str) -> Markup:
    """Return Markdown as HTML without inline styles. People can scroll wide tables and code with the keyboard."""
    frame = '<div class="wide" tabindex="0" role="region" aria-label="Table {}">'
    html = str(MARKDOWN(markdown)).replace(' style="text-align:', ' class="').replace("<pre>", '<pre tabindex="0">')
    before, *tables = html.split("<table>")
    framed = [f"{frame.format(i)}<table>{t.replace('</table>', '</table></div>', 1)}" for i, t in enumerate(tables, 1)]
    return Markup(before + "".join(framed))


def plain_lines(markdown: str) -> list[str]:
    """Return the lines of a Markdown text without markup. Dots separate the cells of a table row."""
    lines = (line.strip("|>#*- ").replace("|", "·").replace("`", "") for line in markdown.splitlines())
    return [line for line in lines if line]
