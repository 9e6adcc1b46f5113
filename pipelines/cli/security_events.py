"""Record in the security log what people do on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.cli.options import current_user

if TYPE_CHECKING:
    from sixtyforty.storage.security_log import EventKind


def record_event(kind: EventKind, by: str = "", use_case: str = "", detail: str = "") -> None:
    """Record an event of the command line, in the database that the settings name.

    by: the person whom the command names with `--by`; by default the user who runs the command. If the two differ, the
    detail names the user.
    """
    from pipelines.settings import load_settings
    from sixtyforty.storage.security_log import COMMAND_LINE, SecurityEvent, open_security_log

    settings, user = load_settings(), current_user()
    if by not in ("", user):
        detail = f"run by the user {user}; {detail}"
    with open_security_log(settings.database_url, settings.address_days) as log:
        log.record(SecurityEvent(kind, by or user, COMMAND_LINE, use_case, detail))
