"""Settings of the OpenID provider through which people can log in to the desk, and the roles of its groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from desk.roles import PAGES_OF_ROLE, Grant, GrantError, parse_grant
from sixtyforty.spec.errors import SixtyfortyError

PREFIX = "SIXTYFORTY_OIDC_"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# The last `=` before a role ends the group, because names of groups such as cn=desk,ou=groups hold `=`, too.
GROUP_ROLE = re.compile(rf"(.+)=\s*((?:{'|'.join(PAGES_OF_ROLE)})(?::.*)?)")


class ProviderSettingsError(SixtyfortyError):
    """A setting of the OpenID provider is missing or wrong. The message never shows a value, which may be secret."""


@dataclass(frozen=True)
class ProviderSettings:
    """An OpenID provider, and what it says about people.

    - issuer: the provider's address, exactly as its ID tokens name it.
    - roles: the grants of each group.
    - groups_claim, name_claim: the claims of the ID token with the person's groups, and with the name of the account.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    roles: Mapping[str, tuple[Grant, ...]]
    groups_claim: str = "groups"
    name_claim: str = "preferred_username"

    @property
    def host(self) -> str:
        """The name of the provider's host, for people."""
        return urlsplit(self.issuer).hostname or ""

    def grants_of(self, groups: Iterable[str]) -> tuple[Grant, ...]:
        """Return the grants of a person in some groups."""
        return tuple(sorted({grant for group in groups for grant in self.roles.get(group, ())}))


def read_provider(environment: Mapping[str, str]) -> ProviderSettings | None:
    """Return the OpenID provider that the environment names; None without SIXTYFORTY_OIDC_ISSUER.

    Raises ProviderSettingsError.
    """
    issuer = environment.get(f"{PREFIX}ISSUER", "")
    if not issuer:
        return None
    if not is_private(issuer):
        raise ProviderSettingsError(f"{PREFIX}ISSUER is not an address of the form https://login.example.")
    values = {name: environment.get(PREFIX + name, "") for name in ("CLIENT_ID", "CLIENT_SECRET", "ROLES")}
    missing = [PREFIX + name for name, text in values.items() if not text]
    if missing:
        raise ProviderSettingsError(f"{PREFIX}ISSUER is set, but not {', '.join(missing)}. Set them, too.")
    return ProviderSettings(
        issuer=issuer,
        client_id=values["CLIENT_ID"],
        client_secret=values["CLIENT_SECRET"],
        roles=_parse_roles(values["ROLES"]),
        groups_claim=environment.get(f"{PREFIX}GROUPS_CLAIM") or "groups",
        name_claim=environment.get(f"{PREFIX}NAME_CLAIM") or "preferred_username",
    )


def is_private(url: str) -> bool:
    """Return whether nobody else can read what is sent to a URL: by https, or on this machine."""
    parts = urlsplit(url)
    return (parts.scheme == "https" and bool(parts.hostname)) or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _parse_roles(text: str) -> dict[str, tuple[Grant, ...]]:
    roles: dict[str, tuple[Grant, ...]] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        match = GROUP_ROLE.fullmatch(entry)
        if match is None:
            raise ProviderSettingsError(
                f"{PREFIX}ROLES has an entry without a role of the desk. Write GROUP=ROLE;GROUP=ROLE:USE_CASE with the"
                f" roles {', '.join(PAGES_OF_ROLE)}."
            )
        try:
            group, grant = match[1].strip(), parse_grant(match[2])
        except GrantError as error:
            raise ProviderSettingsError(f"{PREFIX}ROLES has a wrong entry. {error}") from error
        roles[group] = (*roles.get(group, ()), grant)
    return roles
