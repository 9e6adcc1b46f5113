"""Confine what a declaration can make the project import and read: estimators by package, locations by address.

Two settings widen or narrow this. Declarations are checked wherever they are loaded, so the settings are read here:

- `SIXTYFORTY_ESTIMATOR_PACKAGES`: packages besides scikit-learn that estimators may come from, separated by commas.
- `SIXTYFORTY_LOCATION_ROOTS`: folders and URLs below which locations must lie, separated by commas. By default a
  location may be any folder, except system folders and hidden ones, or any URL of a protocol in PROTOCOLS.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sixtyforty.spec.errors import SixtyfortyError

PACKAGES_VARIABLE = "SIXTYFORTY_ESTIMATOR_PACKAGES"
ROOTS_VARIABLE = "SIXTYFORTY_LOCATION_ROOTS"
SKLEARN = "sklearn"
OBJECT_STORES = ("s3", "gs", "gcs", "abfs", "abfss", "az")
FILE_SERVERS = ("sftp", "ssh", "ftp", "smb", "hdfs", "webhdfs", "https", "http")
PROTOCOLS = (*OBJECT_STORES, *FILE_SERVERS, "file", "memory")  # memory: files of this process only, for tests
SYSTEM_FOLDERS = tuple(
    Path(folder) for folder in ("/etc", "/proc", "/sys", "/dev", "/boot", "/run", "/var/run", "/usr", "/bin", "/lib")
)
# Addresses and names at which clouds give out the credentials of the machine, and that aren't link-local.
METADATA_ADDRESSES = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)
METADATA_NAMES = ("metadata.google.internal", "instance-data.ec2.internal")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)


class ConfinementSettingError(SixtyfortyError):
    """SIXTYFORTY_ESTIMATOR_PACKAGES or SIXTYFORTY_LOCATION_ROOTS has a wrong entry."""


def estimator_packages() -> tuple[str, ...]:
    """Return the packages that estimators may come from. Raises ConfinementSettingError."""
    packages = _entries(PACKAGES_VARIABLE)
    for package in packages:
        if not _PACKAGE.fullmatch(package):
            raise ConfinementSettingError(
                f"{PACKAGES_VARIABLE} has the entry '{package}'. Write import names of packages, such as"
                " lightgbm,xgboost."
            )
    return (SKLEARN, *packages)


def location_roots() -> tuple[str, ...]:
    """Return the folders and URLs below which locations must lie. Empty: no root is set.

    Raises ConfinementSettingError.
    """
    roots = _entries(ROOTS_VARIABLE)
    for root in roots:
        if not root.startswith("/") and not _URL.fullmatch(root):
            raise ConfinementSettingError(
                f"{ROOTS_VARIABLE} has the entry '{root}'. Write full paths of folders and URLs, such as"
                " /srv/extracts,s3://bucket."
            )
    return roots


def _entries(variable: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in os.environ.get(variable, "").split(",") if entry.strip())


def find_estimator_problem(estimator: str, packages: Iterable[str]) -> str | None:
    """Return as a clause why an import path isn't allowed as an estimator, or None if one of the packages holds it."""
    if any(estimator.startswith(f"{package}.") for package in packages):
        return None
    return (
        f"'{estimator}' is not in a package that estimators may come from ({', '.join(packages)}); declare an estimator"
        f" of scikit-learn, or let the operator name its package in {PACKAGES_VARIABLE}"
    )


def find_location_problem(location: str, roots: Iterable[str] = ()) -> str | None:
    """Return as a clause why a location isn't allowed, or None if it is.

    location: the full path of a folder, or an fsspec URL.
    roots: folders and URLs below which the location must lie. Empty: any URL, and any folder that is neither a system
    folder nor hidden.

    A link is followed before its folder is checked. Names of hosts aren't resolved here: `ingest.connection_guard`
    checks the address of each connection.
    """
    protocol, path = _split(location)
    if protocol not in PROTOCOLS:
        return f"'{protocol}' is not a protocol of extracts; use one of {', '.join(PROTOCOLS[:-1])}"
    if "::" in re.sub(r"\[[^\]]*\]", "", path):
        return "the URL chains several file systems; name the folder or bucket itself"
    if leads_up(path):
        return "the path contains '..'; write the path without it"
    if protocol == "file" and not path.startswith("/"):
        return "the URL of a folder names a host; write file:///folder"
    if protocol != "file" and _is_machine_address(location):
        return "the host is a link-local address or the metadata service of a cloud; name the server of the extracts"
    allowed = tuple(roots)
    if allowed:
        return None if any(_is_below(location, root) for root in allowed) else _outside(allowed)
    return _system_folder_problem(_folder(path)) if protocol == "file" else None


def leads_up(path: str) -> bool:
    """Return whether a path contains '..', also as servers may read it: percent-encoded, or between backslashes."""
    while (decoded := unquote(path)) != path:
        path = decoded
    return ".." in re.split(r"[/\\]", path)


def _outside(roots: tuple[str, ...]) -> str:
    return f"the location is below none of {', '.join(roots)}; move the extracts, or add a root to {ROOTS_VARIABLE}"


def _split(location: str) -> tuple[str, str]:
    """Return protocol and path of a location. The protocol of a folder is `file`."""
    if location.startswith("/"):
        return "file", location
    parts = _URL.fullmatch(location)
    return (parts[1], parts[2]) if parts else ("", location)


def _folder(path: str) -> Path:
    return Path("/" + path.lstrip("/"))


def _is_below(location: str, root: str) -> bool:
    (protocol, path), (root_protocol, root_path) = _split(location), _split(root)
    if protocol != root_protocol:
        return False
    if protocol == "file":
        return _folder(path).resolve().is_relative_to(_folder(root_path).resolve())
    return f"{path}/".startswith(f"{root_path.rstrip('/')}/")


def _system_folder_problem(folder: Path) -> str | None:
    for path in (folder, folder.resolve()):
        if path == Path("/") or any(path.is_relative_to(system) for system in SYSTEM_FOLDERS):
            return f"{path} is a folder of the operating system; land the extracts in a folder of their own"
        if any(part.startswith(".") for part in path.parts):
            return f"{path} is a hidden folder, which may hold keys; land the extracts in a folder of their own"
    return None


def _is_machine_address(url: str) -> bool:
    try:
        host = unicodedata.normalize("NFKC", urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:  # not a valid address: no server answers to it
        return True
    return host in METADATA_NAMES or is_machine_host(host)


def is_machine_host(host: str) -> bool:
    """Return whether a host is written as a link-local address, or as that of the metadata service of a cloud."""
    return any(address.is_link_local or address in METADATA_ADDRESSES for address in _addresses(host))


def _addresses(host: str) -> Iterator[Address]:
    """Yield the IP address that a host is written as, and the IPv4 address inside an IPv6 address.

    IPv4 addresses may be written as programs in C read them: 2852039166, 0xa9fea9fe or 0251.254.43518 (inet_aton).
    """
    try:
        address: Address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64 or int(address) < 1 << 32:
            embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        yield from (inner for inner in embedded if inner is not None)
