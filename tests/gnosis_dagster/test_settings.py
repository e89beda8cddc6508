"""Settings as the environment gives them."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from gnosis_dagster.settings import Settings, SettingsFileError, prepare_environment


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("GNOSIS_", "DAGSTER_", "MLFLOW_")):
            monkeypatch.delenv(name)
    for name in ("OMP_WAIT_POLICY", "MPLBACKEND"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
        monkeypatch.delenv(name)


def test_the_default_is_five_years_of_the_sample_in_a_folder_of_the_project(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = Settings()
    assert found.home == tmp_path / ".gnosis"
    assert (found.provider, found.first_session, found.last_session) == (
        "sample",
        dt.date(2008, 1, 2),
        dt.date(2012, 12, 31),
    )


@pytest.mark.parametrize("home", ["somewhere", "./somewhere", "~/somewhere"])
def test_a_home_becomes_absolute_so_that_another_working_folder_finds_it(monkeypatch, tmp_path, home):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GNOSIS_HOME", home)
    found = Settings()
    monkeypatch.chdir("/")
    assert found.home == tmp_path / "somewhere"
    assert found.catalog_path == tmp_path / "somewhere" / "gnosis.duckdb"
    assert found.dagster_home.is_relative_to(tmp_path)


def test_every_setting_has_its_variable(monkeypatch, tmp_path):
    values = {
        "GNOSIS_HOME": str(tmp_path / "h"),
        "GNOSIS_PROVIDER": "files",
        "GNOSIS_FILES": str(tmp_path / "data"),
        "GNOSIS_FIRST_SESSION": "2009-03-02",
        "GNOSIS_LAST_SESSION": "2009-03-31",
        "GNOSIS_MAX_SESSIONS_PER_RUN": "20",
        "GNOSIS_PICTURES": "false",
        "GNOSIS_ALERT_WEBHOOK": "http://127.0.0.1:1/",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:2/",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    found = Settings()
    assert found.files == Path(values["GNOSIS_FILES"])
    assert (found.first_session, found.last_session) == (dt.date(2009, 3, 2), dt.date(2009, 3, 31))
    assert found.max_sessions_per_run == 20
    assert not found.pictures
    assert (found.alert_webhook, found.mlflow_tracking_uri) == ("http://127.0.0.1:1/", "http://127.0.0.1:2/")


def test_files_have_no_default_range_because_only_the_folder_knows_it(monkeypatch, tmp_path):
    monkeypatch.setenv("GNOSIS_PROVIDER", "files")
    monkeypatch.setenv("GNOSIS_FILES", str(tmp_path))
    assert (Settings().first_session, Settings().last_session) == (None, None)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("GNOSIS_PROVIDER", "files", "GNOSIS_FILES"),
        ("GNOSIS_PROVIDER", "bloomberg", "sample, files, live or a live service.*'bloomberg'"),
        ("GNOSIS_FIRST_SESSION", "yesterday", "valid date"),
        ("GNOSIS_MAX_SESSIONS_PER_RUN", "0", "greater than or equal to 1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=words):
        Settings()


def test_choices_of_the_user_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("GNOSIS_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "/somewhere/else")
    monkeypatch.setenv("MPLBACKEND", "svg")
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "7")
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "0")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    before = dict(os.environ)
    prepare_environment(Settings())
    assert dict(os.environ) == before


TOML = """
provider = "yahoo"
first_session = 2026-01-05

[live]
symbols = ["spy", "BRK-B"]

[live.services.yahoo]
timeout_s = 5

[live.services.reddit]
is_enabled = false
"""


def test_a_live_provider_is_one_word_in_the_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GNOSIS_PROVIDER", "yahoo")
    found = Settings()
    assert found.is_live
    assert found.live.names("yahoo")[0] == "yahoo"
    assert (found.first_session, found.last_session) == (None, None)


def test_a_file_is_read_and_the_environment_goes_before_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gnosis.toml").write_text(TOML)
    monkeypatch.setenv("GNOSIS_LIVE__SYMBOLS", '["AAPL"]')
    found = Settings()
    assert (found.provider, found.first_session) == ("yahoo", dt.date(2026, 1, 5))
    assert found.live.symbols == ("AAPL",)
    assert found.live.of("yahoo").timeout_s == 5
    assert "reddit" not in found.live.names("yahoo")
    monkeypatch.delenv("GNOSIS_LIVE__SYMBOLS")
    assert Settings().live.symbols == ("SPY", "BRK.B")


def test_the_file_may_lie_elsewhere_but_must_be_there(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "elsewhere.toml"
    monkeypatch.setenv("GNOSIS_CONFIG", str(file))
    with pytest.raises(SettingsFileError, match=r"expected a file at .*elsewhere\.toml, found none"):
        Settings()
    file.write_text("provider = [")
    with pytest.raises(SettingsFileError, match="expected TOML"):
        Settings()
    file.write_text('provider = "live"')
    assert Settings().provider == "live"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('provider = "yaho"', "expected one of yahoo, cboe"),
        ("[live]\nsymbols = ['not a symbol']", "not a symbol"),
        ("[live.services.iex]\ntimeout_s = 3", "found 'iex'"),
        ("[live.services.yahoo]\ntimeout = 3", "timeout"),
        ("[live.services.yahoo]\ntimeout_s = 0", "greater than 0"),
        ("symbol = ['SPY']", "symbol"),
    ],
)
def test_a_wrong_word_in_the_file_is_named(monkeypatch, tmp_path, text, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gnosis.toml").write_text(text)
    with pytest.raises(ValidationError, match=told):
        Settings()
