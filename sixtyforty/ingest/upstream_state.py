"""What Dagster knows of the assets that make a source: when they were made, and which of their checks failed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UpstreamState:
    """The state of the assets that `upstream` of a source names.

    made_at: time of their newest materialization, in seconds since 1970; 0 if there is none. failed_checks: each check
    whose newest result is a failure, as `<check> of <asset>`. Checks that only warn are left out.
    """

    made_at: float = 0.0
    failed_checks: tuple[str, ...] = ()

    def refusal(self, source: str) -> str | None:
        """Return why the source must not be read now, or None if it may."""
        if not self.failed_checks:
            return None
        return (
            f"{source} is stale: the check {', '.join(self.failed_checks)} failed. The rows imported earlier stay in"
            " force. Correct the asset, and run its check again."
        )


NO_UPSTREAM = UpstreamState()
