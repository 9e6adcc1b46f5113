"""Judge the partitions of a source in rounds, because a row that isn't published must not supersede another.

A later row of the same key supersedes an earlier one. The later row is withheld if it fails a critical rule, or if its
key moved to a rejected partition. Then the earlier row is restored and evaluated in another round. The last round is
the one after which no row is restored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from expectations.evaluation import Evaluation, RowCounts, SuiteEvaluator
from expectations.rule_results import partition_rule_results, row_rule_results
from expectations.rules import Suite, personal_names
from sixtyforty.ingest.restored_rows import RestoredRows
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.listed_extracts import listed_extracts
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.restatement import is_closed
from sixtyforty.storage.verdicts import Verdict

MAX_DECIMALS = 7  # of a percentage: enough for 1 of 10 million rows


@dataclass(frozen=True)
class Judgement:
    """The partitions that are judged together.

    - evaluator: evaluates the suite on their rows, which are in the table `typed`.
    - raw: their raw manifests.
    - shared: the partitions that share keys with each partition.
    - now: the time (UTC, naive) that decides which partitions are closed; None treats all of them as closed.
    """

    use_case: DecisionChain
    evaluator: SuiteEvaluator
    raw: Mapping[str, Entry]
    shared: Mapping[str, Sequence[str]]
    now: datetime | None

    def judge(self, restored: RestoredRows) -> dict[str, Verdict]:
        """Return the verdicts by partition. restored: the object that restores superseded rows.

        After superseded rows were restored, the partitions are judged again. A rejected partition to which a key moved
        isn't judged again.
        """
        verdicts, blocking = dict[str, Verdict](), set[str]()
        while True:
            self.evaluator.quarantine_failing_rows(blocking if verdicts else None)
            if verdicts:
                restored.supersede_failing_again()
            verdicts |= self._judge_all_but(blocking)
            rejected = {p for p in self.shared if p in verdicts and not verdicts[p].accepted}
            blocking |= restored.find_blocking(rejected - blocking)
            if not self._may_restore(verdicts, restored, blocking) or not restored.restore(blocking):
                return verdicts

    def _judge_all_but(self, blocking: set[str]) -> dict[str, Verdict]:
        evaluation, evaluator = self.evaluator.evaluate(), self.evaluator
        return {
            partition: _judge(self.use_case, evaluator.source, evaluator.suite, entry, evaluation, self.now)
            for partition, entry in self.raw.items()
            if partition not in blocking
        }

    @staticmethod
    def _may_restore(verdicts: Mapping[str, Verdict], restored: RestoredRows, blocking: set[str]) -> bool:
        """Return whether a row that superseded another may be withheld, so that the superseded row must be restored."""
        if not any(verdict.superseded for verdict in verdicts.values()):
            return False
        is_quarantined = any(verdict.quarantined for verdict in verdicts.values())
        return bool(blocking or restored.compared or is_quarantined)


def _judge(
    use_case: DecisionChain, source: str, suite: Suite, raw: Entry, evaluation: Evaluation, now: datetime | None
) -> Verdict:
    refused = [extract for extract in listed_extracts(raw) if extract.problem]
    counts = evaluation.counts.get(raw.partition, RowCounts())
    checked = counts.accepted_rows + counts.quarantined
    lost = sum(extract.refused for extract in refused)
    counts = replace(counts, landed=counts.landed + lost, quarantined=counts.quarantined + lost)
    reasons = [f"{extract.name}: {extract.problem}" for extract in refused]
    has_rows = bool(counts.accepted_rows) or not (refused or counts.quarantined)
    allowed_share = use_case.governance.max_quarantined_share
    # Repeated and replaced rows don't count. Otherwise, a sender who repeats good rows would make bad rows acceptable.
    quarantined = evaluation.distinct_quarantined.get(raw.partition, 0) + lost
    quarantined_share = quarantined / max(1, counts.accepted_rows + quarantined)
    if quarantined_share > allowed_share:
        percentage, allowed = different_percentages(quarantined_share, allowed_share)
        reasons.append(f"{percentage} of the rows are quarantined; at most {allowed} are allowed")
    personal = personal_names(suite, use_case.sources[source])
    closed = is_closed(use_case, raw.partition, now)
    partition_results, rejections = partition_rule_results(
        suite, raw.partition, evaluation.metrics, evaluation.failing_metrics, closed, personal
    )
    row_failures = evaluation.row_failures.get(raw.partition, {})
    return Verdict(
        source=source,
        partition=raw.partition,
        accepted=has_rows and quarantined_share <= allowed_share and not rejections,
        reasons=reasons + rejections,
        rules=row_rule_results(suite, row_failures, checked, personal) + partition_results,
        closed=closed,
        **asdict(counts),
    )


def different_percentages(share: float, other: float) -> tuple[str, str]:
    """Return two different shares (0 to 1) as percentages, with so many decimals that the texts differ, too."""
    texts = ((f"{share:.{decimals}%}", f"{other:.{decimals}%}") for decimals in range(MAX_DECIMALS))
    return next((pair for pair in texts if pair[0] != pair[1]), (f"{share:%}", f"{other:%}"))
