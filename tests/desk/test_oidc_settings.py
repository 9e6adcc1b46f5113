"""The settings of the OpenID provider: complete, private, and with the roles of its groups."""

from __future__ import annotations

import pytest

from desk.oidc_settings import ProviderSettingsError, read_provider
from desk.roles import Grant

COMPLETE = {
    "SIXTYFORTY_OIDC_ISSUER": "https://login.example",
    "SIXTYFORTY_OIDC_CLIENT_ID": "desk",
    "SIXTYFORTY_OIDC_CLIENT_SECRET": "hush",
    "SIXTYFORTY_OIDC_ROLES": "cn=desk,ou=groups=decider:team=Night shift; auditors=auditor;auditors=owner:calls;",
}


def test_without_an_issuer_there_is_no_provider() -> None:
    assert read_provider({}) is None


def test_groups_have_roles_also_if_their_names_hold_an_equals_sign() -> None:
    provider = read_provider(COMPLETE)
    assert provider is not None and "hush" not in repr(provider)
    assert provider.roles == {
        "cn=desk,ou=groups": (Grant("decider", team="Night shift"),),
        "auditors": (Grant("auditor"), Grant("owner", use_case="calls")),
    }
    assert provider.grants_of(["auditors", "unknown"]) == (Grant("auditor"), Grant("owner", use_case="calls"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ISSUER", "http://login.example", "ISSUER is not an address"),
        ("ISSUER", "login.example", "ISSUER is not an address"),
        ("CLIENT_SECRET", "", "CLIENT_SECRET. Set them"),
        ("ROLES", "", "ROLES. Set them"),
        ("ROLES", "group=boss", "without a role"),
        ("ROLES", "group", "without a role"),
        ("ROLES", "group=decider:", "names neither a use case nor a team"),
    ],
)
def test_a_wrong_setting_is_named(name: str, text: str, message: str) -> None:
    with pytest.raises(ProviderSettingsError, match=message):
        read_provider(COMPLETE | {f"SIXTYFORTY_OIDC_{name}": text})
