"""Do the work of the value stages: kpi_impact, acceptance and build_or_buy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import dagster as dg

from assets.metadata import Metadata, TableRow, image, table
from assets.stage import CheckResult, PublishedPartition, StageCheck, StageResult, StageRun, StageTarget, refusal_check
from assets.unit_checks import UNITS_CONSERVED, check_units
from sixtyforty.accounting import acceptance, exactness, kpi_audit, kpi_ledger, kpi_summary, usage
from sixtyforty.accounting.acceptance_messages import describe_gain_per_override, find_alarms
from sixtyforty.accounting.experiment_ledger import ExperimentAccount
from sixtyforty.accounting.forecast import ChampionTerm, read_forecasts
from sixtyforty.accounting.kpi_summary import KpiSummary
from sixtyforty.accounting.refused_figures import describe_refusal
from sixtyforty.decisions.delivery import deliver_answers
from sixtyforty.lifecycle import stage_steps
from sixtyforty.reports import charts
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.money import format_money
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.manifests import Entry
from sixtyforty.value.daily_value import CANDIDATE_PREFIX, DAILY_POLICIES, DailyValue
from sixtyforty.value.daily_values import figures_by_day, group_by_period, money_by_day
from sixtyforty.value.lift import NO_INTERVAL
from sixtyforty.value.rounded_interval import RoundedInterval, round_known
from sixtyforty.value.segments import describe_losing

MONEY_RECONCILES = StageCheck(
    "money_reconciles", "Each day's money equals the sum of its decisions' payoffs, computed by independent SQL."
)
FIGURES_SOUND = StageCheck(
    "figures_sound",
    "No decision is based on features with leakage, or on a model that was trained on features with leakage. The units"
    " of an experiment were assigned by the declared shares.",
)
NO_SEGMENT_LOSES = StageCheck(
    "no_segment_loses",
    "The current process is better in no segment (95% confidence). The intervals allow for the number of segments.",
)
DECISIONS_DIFFER = StageCheck(
    "decisions_differ", "Some decisions differ from the current process. A model that changes nothing is not in use."
)
BEATS_CURRENT_PROCESS = StageCheck(
    "beats_current_process", "The lower bound of the lift over the current process is above zero."
)
HOLDOUT_INTACT = StageCheck(
    "holdout_intact",
    "Both arms of the experiment have the planned shares of units, and don't differ in data from before the decisions.",
)
PEOPLE_USE_DECISIONS = StageCheck(
    "people_use_decisions", "People look at the decisions, follow most of them, and sometimes disagree."
)
RESPONSES_MATCH = StageCheck("responses_match", "Every response belongs to a decision of its partition.")


USAGE_LABELS = {
    "decisions": "decisions",
    "seen": "decisions seen",
    "accepted": "decisions accepted",
    "overridden": "decisions overridden",
    "known": "overrides with a known outcome",
    "right": "overrides that were right",
    "responses": "responses",
    "simulated": "simulated responses",
    "unmatched": "responses without a decision",
}


def kpi_checks(target: StageTarget) -> list[StageCheck]:
    """Return the checks of the stage kpi_impact, including HOLDOUT_INTACT if the use case has a holdout."""
    checks = [UNITS_CONSERVED, MONEY_RECONCILES, FIGURES_SOUND]
    checks += [BEATS_CURRENT_PROCESS, NO_SEGMENT_LOSES, DECISIONS_DIFFER]
    return checks + ([HOLDOUT_INTACT] if target.use_case.kpi.holdout else [])


def account_kpi(run: StageRun) -> StageResult:
    """Calculate the value of each partition's decisions, and check the values."""
    result, kpi = StageResult(), run.use_case.kpi
    stage_steps.register_first_stage(run.ws, run.clock.current_time())  # record the gate before its figures are known
    if run.track == "live" and exactness.record_refutation(run.ws, run.clock.current_time()):
        run.log.error("kpi_impact: the holdout refutes that the figures are exact")
    label = exactness.label_figures(run.ws, run.track)
    for group in run.partition_groups():
        for partition, entry in kpi_ledger.write_accounts(run.ws, group, run.track).items():
            metadata = _account_metadata(entry, kpi) | {"label": label}
            result.published[partition] = PublishedPartition(entry.version, metadata)
    result.checks.append(check_units(run))
    daily_values = kpi_ledger.read_daily_values(run.ws, run.track)
    if not daily_values:
        run.log.info("kpi_impact: skipped (no decision has a known outcome yet)")
        return result
    differences = kpi_audit.find_differences(run.ws, run.track, sorted(result.published))
    reconciled = CheckResult(MONEY_RECONCILES.name, not differences, {"differences": "\n".join(differences)})
    refusal = describe_refusal(run.ws, run.track)
    sound = refusal_check(FIGURES_SOUND.name, [refusal] if refusal else [], "the figures can be trusted")
    result.checks += [reconciled, sound]
    if refusal:
        if kpi.holdout:
            result.checks.append(refusal_check(HOLDOUT_INTACT.name, [refusal], ""))
        run.log.error(f"kpi_impact: gain not shown, because the figures can't be trusted ({refusal})")
        return result
    summary = kpi_summary.summarize_kpi(run.ws, run.track, daily_values=daily_values)
    result.newest_metadata.update(_kpi_overview(run, summary, daily_values))
    lift = _describe_lift(summary)
    lift_metadata: Metadata = {"lift": lift, **({"outdated": summary.outdated} if summary.outdated else {})}
    result.checks += [
        CheckResult(
            BEATS_CURRENT_PROCESS.name,
            (summary.lift_vs_current.low or 0) > 0 and not (summary.outdated or summary.is_refuted),
            lift_metadata,
            warn=True,
            description=f"{summary.outdated} {lift}" if summary.outdated else lift,
        ),
        _check_segments(run),
        _check_decisions_differ(summary),
    ]
    if kpi.holdout:
        result.checks.append(_check_holdout(summary, kpi))
    run.log.info(f"kpi_impact: valued ({format_plural(summary.decisions, 'decision')}, gain {lift})")
    return result


def _account_metadata(entry: Entry, kpi: Kpi) -> Metadata:
    """Return a partition's value as metadata: by way of deciding or, in an experiment, by arm (model or holdout)."""
    account, unit = kpi_ledger.read_account(entry), kpi.currency
    if isinstance(account, ExperimentAccount):
        return {
            "decisions": account.decisions,
            "decisions in the holdout": account.held_out,
            "outcomes unknown": account.unknown,
            f"model ({unit})": round(account.model, 2),
            f"holdout ({unit})": round(account.current_process, 2),
        }
    money = {f"{name.replace('_', ' ')} ({unit})": round(float(getattr(account, name)), 2) for name in DAILY_POLICIES}
    money |= {
        f"{CANDIDATE_PREFIX}{name} ({unit})": round(float(amount), 2) for name, amount in account.candidates.items()
    }
    return {
        **money,
        f"gain ({unit})": money[f"model ({unit})"] - money[f"current process ({unit})"],
        "decisions": account.decisions,
        "decisions that differ from the current process": account.differ,
        "outcomes unknown": account.unknown,
    }


def _kpi_overview(run: StageRun, summary: KpiSummary, daily_values: Sequence[DailyValue]) -> Metadata:
    """Return the figures of all days as metadata. The newest partition shows them, because people open it first."""
    kpi = run.use_case.kpi
    overview: Metadata = {
        "who decided": summary.deciders.describe(),
        "cumulative value": image(charts.draw_cumulative_value(kpi, daily_values), "cumulative value"),
        "value by month, per 1,000 decisions": table(
            [{"month": month, **_money_row(days)} for month, days in group_by_period(daily_values).items()]
        ),
    }
    if summary.candidates:
        overview["value of each candidate, per 1,000 decisions"] = table(_candidate_rows(kpi, summary))
    record = read_forecasts(run.ws, run.track, daily_values=daily_values)
    if record.terms:
        overview["forecast and actual gain, per 1,000 decisions"] = table(
            [_term_row(term, kpi.target, record.is_outdated) for term in record.terms]
        )
        overview["months within their forecast"] = record.coverage
    coming_month = RoundedInterval.of(record.coming_month)
    overview["forecast of the gain in the coming month, per 1,000 decisions"] = coming_month.value
    overview["prediction interval of the coming month"] = record.describe_coming_range(kpi.currency)
    return overview


def _money_row(days: Sequence[DailyValue]) -> TableRow:
    """Return the value of each way of deciding and the gain, per 1,000 decisions. Unknown values are left out."""
    decisions = sum(figures_by_day(days, "decisions"))
    per_1000 = {
        policy: 1000 * sum(money_by_day(days, policy)) / decisions
        for policy in ("model", "current_process", "random_choice")
    }
    lift = per_1000["model"] - per_1000["current_process"]
    known = {policy: round(amount) for policy, amount in per_1000.items() if not math.isnan(amount)}
    return {"decisions": decisions, **known, "lift": round(lift)}


def _candidate_rows(kpi: Kpi, summary: KpiSummary) -> list[TableRow]:
    return [
        {
            "candidate": name + (" (vendor)" if kpi.candidates[name].vendor else ""),
            "decisions": candidate.decisions,
            kpi.currency: candidate.per_1000,
            "gain over the current process": candidate.lift_vs_current.value,
            "model minus candidate": candidate.model_minus.value,
            "95% low": candidate.model_minus.low,
            "95% high": candidate.model_minus.high,
        }
        for name, candidate in summary.candidates.items()
    ]


def _term_row(term: ChampionTerm, target: float, is_outdated: bool) -> TableRow:
    forecast = RoundedInterval.of(term.forecast)
    return {
        "since": term.since,
        "decisions": term.decisions,
        "forecast": forecast.value,
        "forecast low": forecast.low,
        "forecast high": forecast.high,
        "actual": round_known(term.actual),
        "verdict": term.verdict,
        "above target": term.is_above_target(target, is_outdated),
    }


def _describe_lift(summary: KpiSummary) -> str:
    """Return the lift with its interval, such as `+$1,204 per 1,000 decisions (95% confidence interval: …)`."""
    lift, unit = summary.lift_vs_current, summary.unit
    if lift.low is None or lift.high is None:
        interval = lift.problem or NO_INTERVAL
    else:
        low, high = (format_money(bound, unit, signed=True) for bound in (lift.low, lift.high))
        interval = f"95% confidence interval: {low} to {high}"
    return f"{format_money(lift.value, unit, signed=True)} per 1,000 decisions ({interval}; {summary.label})"


def _check_segments(run: StageRun) -> CheckResult:
    segments = kpi_summary.summarize_segments(run.ws, run.track)
    return CheckResult(
        NO_SEGMENT_LOSES.name,
        not any(segment.loses for segment in segments),
        {"segments": table([segment.to_dict() for segment in segments])} if segments else {},
        warn=True,
        description=describe_losing(segments),
    )


def _check_decisions_differ(summary: KpiSummary) -> CheckResult:
    description = "no decision differs from the current process"
    if summary.operational:
        description = f"{summary.differ_share:.1%} of the decisions differ from the current process"
    return CheckResult(
        DECISIONS_DIFFER.name,
        summary.operational,
        {"share of the decisions that differ": summary.differ_share},
        warn=True,
        description=description,
    )


def _check_holdout(summary: KpiSummary, kpi: Kpi) -> CheckResult:
    """Check that the holdout has its declared share of the units and is comparable with the other units."""
    estimate, test = summary.holdout, summary.exactness
    return CheckResult(
        HOLDOUT_INTACT.name,
        (estimate is None or estimate.is_trustworthy) and (test is None or not test.problem),
        {"holdout": dg.MetadataValue.json(estimate.to_dict(kpi.target / 1000))} if estimate else {},
        description=summary.evidence,
    )


def account_acceptance(run: StageRun) -> StageResult:
    """Count people's responses to each partition's decisions, and check that people use the decisions."""
    result, kpi, revised = StageResult(), run.use_case.kpi, 0
    for group in run.partition_groups():
        accounts = usage.write_accounts(run.ws, group, run.track)
        revised += deliver_answers(run.ws, run.track, list(accounts))  # includes answers from other systems
        for partition, entry in accounts.items():
            counted = usage.PartitionUsage.from_entry(entry)
            counts = {label: getattr(counted, column) for column, label in USAGE_LABELS.items()}
            metadata = counts | {f"gain of the overrides ({kpi.currency})": round(counted.gain, 2)}
            result.published[partition] = PublishedPartition(entry.version, metadata)
    responses = acceptance.summarize_acceptance(run.ws, run.track)
    if not responses.decisions:
        run.log.info("acceptance: skipped (no decision has been taken yet)")
        return result
    result.newest_metadata.update(_acceptance_overview(responses, kpi))
    summary = describe_acceptance(responses, kpi)
    alarms = find_alarms(run.use_case, responses)
    simulated = f" [{responses.label}]" if responses.label else ""
    result.checks += [
        CheckResult(
            PEOPLE_USE_DECISIONS.name,
            not alarms,
            {"simulated": responses.label or "none"},
            warn=True,
            description=" ".join(alarms.values()) + simulated if alarms else summary,
        ),
        CheckResult(
            RESPONSES_MATCH.name,
            not responses.unmatched,
            {"responses without a decision": responses.unmatched},
            warn=True,
            description=f"{responses.unmatched:,} of {format_plural(responses.responses, 'response')}"
            f" belong to no decision{simulated}",
        ),
    ]
    rows = f"; {format_plural(revised, 'delivered row')} revised after answers" if revised else ""
    run.log.info(f"acceptance: responses counted ({summary}{rows})")
    return result


def _acceptance_overview(responses: acceptance.Acceptance, kpi: Kpi) -> Metadata:
    overview: Metadata = {
        "responses in total": dg.MetadataValue.json(responses.to_dict()),
        "responses by week": table([asdict(week) for week in responses.weeks]),
        "answers by week": image(charts.draw_weekly_answers(responses.weeks, responses.label), "answers by week"),
    }
    if responses.roles:
        overview["responses by role"] = table(
            [_role_row(name, role, responses.label, kpi) for name, role in responses.roles.items()]
        )
    return overview


def _role_row(name: str, role: acceptance.RoleAcceptance, label: str, kpi: Kpi) -> TableRow:
    return {
        "role": name,
        "answered": role.accepted + role.overridden,
        "overridden": role.overridden,
        "overrides with a known outcome": role.known,
        "overrides that were right": role.right,
        f"gain of the overrides ({kpi.currency})": round(role.gain, 2),
        "evidence": describe_gain_per_override(role.gain_per_1000, kpi.currency),
        "simulated": label or "no",
    }


def describe_acceptance(responses: acceptance.Acceptance, kpi: Kpi) -> str:
    """Return one line: how many decisions people saw, followed and overrode, and how many responses are simulated."""
    if not responses.responses:
        return f"nobody has looked at any of {format_plural(responses.decisions, 'decision')}"
    simulated = f" [{responses.label}]" if responses.label else ""
    gain = format_money(responses.gain, kpi.currency, signed=True)
    return (
        f"{format_plural(responses.seen, 'decision')} seen, {responses.accepted:,} followed,"
        f" {responses.overridden:,} overridden; the overrides gained {gain}{simulated}"
    )
