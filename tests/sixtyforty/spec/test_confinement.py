"""A declaration imports only estimators, and reads only locations of extracts."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from sixtyforty.spec.confinement import (
    ConfinementSettingError,
    estimator_packages,
    find_estimator_problem,
    find_location_problem,
    location_roots,
)
from sixtyforty.spec.sources import Source

METADATA_SERVICE = [
    *("169.254.169.254", "169.254.169.254:80", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0251.254.43518"),
    *("0xA9.0xFE.0xA9.0xFE", "[fe80::1]", "[fe80::1%25eth0]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]"),
    *("[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[::169.254.169.254]", "[fd00:ec2::254]", "169.254.1.1"),
    *("①⑥⑨.254.169.254", "metadata.google.internal", "METADATA.google.internal.", "100.100.100.200", "[::1"),
]


@pytest.mark.parametrize("host", METADATA_SERVICE)
@pytest.mark.parametrize("protocol", ["http", "https", "sftp", "ftp"])
def test_no_spelling_of_a_link_local_address_is_a_location(protocol: str, host: str) -> None:
    assert find_location_problem(f"{protocol}://{host}/latest/meta-data")
    assert find_location_problem(f"{protocol}://{host}/latest", [f"{protocol}://{host}"]), "a root doesn't allow it"


@pytest.mark.parametrize(
    "location",
    [
        *("/etc", "/etc/", "//etc", "///etc/ssl", "/", "/proc/self", "/sys", "/dev/shm", "/run/secrets", "/usr/share"),
        *(
            "file:///etc",
            "file:////etc",
            "file://localhost/etc",
            "FILE:///etc",
            "file:/etc",
            "file://etc",
            "local:///etc",
        ),
        *("/srv/../etc", "file:///srv/../etc", "s3://bucket/../other", "/home/ann/.ssh", "/srv/.git/x"),
        *("simplecache::s3://bucket", "zip://x.zip::file:///etc", "s3://bucket::file:///etc", "github://org:repo@/"),
        *("https://h/x/%2e%2e/y", "https://h/x/..%2fy", "https://h/x/%252E./y", "smb://h/share/x\\..\\..\\y"),
        *("data:text/csv,1", "reference://x", "dask://x", "git://x", "python:///x", "s3:bucket", ""),
    ],
)
def test_other_files_of_the_machine_and_other_protocols_are_no_location(location: str) -> None:
    assert find_location_problem(location)


@pytest.mark.parametrize(
    "location",
    [
        *("/srv/extracts", "/home/ann/extracts", "/data/x y/ümlaut", "file:///srv/extracts", "s3://bucket/prefix"),
        *(
            "gs://bucket",
            "abfs://box/x",
            "sftp://files.example/out",
            "https://files.example:8443/out",
            "sftp://10.0.0.5/out",
        ),
        *("https://[2001:db8::5]/out", "s3://metadata/daily", "/etcetera", "s3://1/x"),
    ],
)
def test_folders_buckets_and_servers_of_extracts_are_locations(location: str) -> None:
    assert find_location_problem(location) is None


def test_a_link_to_a_system_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "extracts").symlink_to("/etc")
    assert "folder of the operating system" in str(find_location_problem(f"{tmp_path}/extracts"))
    assert "is below none of" in str(find_location_problem(f"{tmp_path}/extracts", [f"{tmp_path}"]))


def test_with_roots_only_what_lies_below_them_is_a_location(tmp_path: Path) -> None:
    roots = [f"{tmp_path}/.landing", "s3://bucket/cafe"]
    for location in (f"{tmp_path}/.landing/x", f"file://{tmp_path}/.landing", "s3://bucket/cafe", "s3://bucket/cafe/a"):
        assert find_location_problem(location, roots) is None, location
    for location in (
        f"{tmp_path}",
        f"{tmp_path}/.landing2",
        "s3://bucket/cafeteria",
        "s3://bucket",
        "gs://bucket/cafe",
    ):
        assert "is below none of" in str(find_location_problem(location, roots)), location


@pytest.mark.parametrize("files", ["../secrets/*.csv", "/etc/*", "a/../../b.csv", "%2E%2e/b.csv", "a\\..\\b.csv"])
def test_a_glob_stays_below_its_location(files: str) -> None:
    with pytest.raises(ValidationError, match="the glob leaves the location"):
        Source.model_validate({"description": "x", "files": files, "columns": {"a": "BIGINT"}, "key": ["a"]})


def test_only_declared_packages_hold_estimators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIXTYFORTY_ESTIMATOR_PACKAGES", raising=False)
    for path in ("subprocess.check_output", "os.system", "sklearnx.Ridge", "sklearn", "xgboost.XGBClassifier", "", "."):
        assert find_estimator_problem(path, estimator_packages()), path
    assert find_estimator_problem("sklearn.linear_model.Ridge", estimator_packages()) is None
    monkeypatch.setenv("SIXTYFORTY_ESTIMATOR_PACKAGES", "xgboost, lightgbm.sklearn")
    assert find_estimator_problem("xgboost.XGBClassifier", estimator_packages()) is None
    assert find_estimator_problem("lightgbm.basic.Booster", estimator_packages())


def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXTYFORTY_ESTIMATOR_PACKAGES", "xgboost,my package")
    with pytest.raises(ConfinementSettingError, match="SIXTYFORTY_ESTIMATOR_PACKAGES has the entry 'my package'"):
        estimator_packages()
    monkeypatch.setenv("SIXTYFORTY_LOCATION_ROOTS", "/srv,landing")
    with pytest.raises(ConfinementSettingError, match="SIXTYFORTY_LOCATION_ROOTS has the entry 'landing'"):
        location_roots()
