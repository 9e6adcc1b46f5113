"""SQL on people's answers: whether an answer is in force, and the money of an action taken instead of the decided one.

The rules are those of `answers_in_force`, for many decisions at once. The SQL reads responses as `r`, decisions as `d`,
and their outcomes as `known_outcome`.
"""

from __future__ import annotations

from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.response_log import ANSWER_EVENTS, ANSWERS
from sixtyforty.storage.sql import identifier, literal
from sixtyforty.value.payoff_sql import cost_sql, payoff_sql, priced_sql

IS_ANSWER = f"event in ({', '.join(map(literal, ANSWERS))})"
IS_ANSWER_EVENT = f"event in ({', '.join(map(literal, ANSWER_EVENTS))})"


def ranked_sql(responses: str) -> str:
    """Return SQL that numbers the answers to each decision (`nth`), and adds `previous` and `withdrawn_at`.

    - nth: 1 for the first answer to a decision, 2 for the second one, and so on. It has no meaning for other responses.
    - previous: the event of the answer or withdrawal before it; null if nobody had answered. It has no meaning for
      other responses.
    - withdrawn_at: the times at which a person withdrew an answer to the decision; null if nobody did.
    """
    in_order = """order by "at", event = 'withdrawn', response_id"""
    return f"""select *, row_number() over (partition by decision_id, {IS_ANSWER} {in_order}) as nth,
        lag(event) over (partition by decision_id, {IS_ANSWER_EVENT} {in_order}) as previous,
        list("at") filter (event = 'withdrawn') over (partition by decision_id) as withdrawn_at from {responses}"""


def _deadline_sql(use_case: UseCase) -> str:
    minutes = use_case.people.answer_within_minutes
    return "null::timestamp" if minutes is None else f"(d.decided_at + interval {minutes} minute)"


def _in_time_sql(use_case: UseCase, at: str) -> str:
    deadline = _deadline_sql(use_case)
    return f"({deadline} is null or {at} <= {deadline})"


def void_sql(use_case: UseCase) -> str:
    """Return a SQL condition: the response is an answer that doesn't count, or one that was withdrawn in time.

    See `list_attempts` for the answers that count.
    """
    counts = f"(r.nth = 1 or (coalesce(r.previous = 'withdrawn', false) and {timely_sql(use_case)}))"
    in_time = f'w >= r."at" and {_in_time_sql(use_case, "w")}'
    withdrawn = f"len(list_filter(coalesce(r.withdrawn_at, []), lambda w: {in_time})) > 0"
    return f"{IS_ANSWER} and (not {counts} or ({withdrawn} and {timely_sql(use_case)}))"


def valid_sql(kpi: Kpi) -> str:
    """Return a SQL condition: the response is an answer that suits the decided action (see `allowed_instead`)."""
    if kpi.amount:
        amount = "try_cast(r.action as double)"
        is_possible = f"{amount} between {kpi.amount.minimum!r} and {kpi.amount.maximum!r}"
        if kpi.amount.whole_numbers:
            is_possible += f" and {amount} = floor({amount})"
        is_other = f"{is_possible} and {amount} <> d.action::double"
    else:
        is_other = f"r.action in ({', '.join(map(literal, kpi.actions))}) and r.action <> d.action"
    is_same = "r.action is null or r.action = d.action"
    return f"(case r.event when 'overridden' then {is_other} when 'accepted' then {is_same} else false end)"


def timely_sql(use_case: UseCase) -> str:
    """Return a SQL condition: the response came before the deadline for answers, to a decision that isn't held out."""
    held_out, at = ", ".join(map(literal, HELD_OUT)), 'r."at"'
    return f"(d.decided_by not in ({held_out}) and {_in_time_sql(use_case, at)})"


def accounted_sql(use_case: UseCase, track: Track) -> str:
    """Return a SQL condition: the decision counts in the KPI ledger, if it isn't held out.

    An experiment counts only decisions at which some units, but not all, were held out. Otherwise the price of the
    current process's action must be known, too, because the ledger compares both.
    """
    kpi = use_case.kpi
    needed = ["known_outcome", *map(identifier, kpi.outcome_columns[1:])]
    known = [*(f"{column} is not null" for column in needed), priced_sql(kpi, "d.action")]
    if use_case.is_randomized(track):
        known.append(r"regexp_extract(d.policy, '; holdout=(.+)$', 1) not in ('', '1.0')")
    else:
        known.append(priced_sql(kpi, "d.current_action"))
    return f"({' and '.join(known)})"


def difference_sql(use_case: UseCase, track: Track, done: str) -> str:
    """Return SQL for the money of an action that was taken instead of the decided action, minus the latter's money.

    done: a SQL expression for the action taken. In an experiment, the observed outcome already includes the effect of
    the action taken. So only the costs differ.
    """
    kpi = use_case.kpi
    if not use_case.is_randomized(track):
        return f"({payoff_sql(kpi, done, 'known_outcome')}) - ({payoff_sql(kpi, 'd.action', 'known_outcome')})"
    decided_cost, done_cost = (
        f"case {action} {' '.join(f'when {literal(name)} then {cost_sql(kpi, name)}' for name in kpi.actions)} end"
        for action in ("d.action", done)
    )
    return f"({decided_cost}) - ({done_cost})"
