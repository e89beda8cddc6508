"""The home folder: made on first use, opened again without a change."""

from __future__ import annotations

import yaml

from gnosis_dagster.event_log import BatchedSqliteEventLogStorage
from gnosis_dagster.home import instance_configuration, open_home
from gnosis_dagster.settings import Settings


def settings_of(folder, monkeypatch):
    monkeypatch.setenv("GNOSIS_HOME", str(folder))
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "dagster"))
    return Settings()


def test_a_new_home_gets_an_instance_of_its_own(tmp_path, monkeypatch):
    with open_home(settings_of(tmp_path / "new", monkeypatch)) as instance:
        assert instance.root_directory == str(tmp_path / "new" / "dagster")
        assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
        assert not instance.telemetry_enabled
        assert instance.run_retries_enabled


def test_opening_again_changes_no_byte_of_its_configuration(tmp_path, monkeypatch):
    settings = settings_of(tmp_path, monkeypatch)
    open_home(settings).dispose()
    path = settings.dagster_home / "dagster.yaml"
    before = path.stat().st_mtime_ns
    open_home(settings).dispose()
    assert path.stat().st_mtime_ns == before


def test_a_home_that_was_moved_finds_itself(tmp_path, monkeypatch):
    settings = settings_of(tmp_path / "old", monkeypatch)
    open_home(settings).dispose()
    (tmp_path / "old").rename(tmp_path / "moved")
    settings = settings_of(tmp_path / "moved", monkeypatch)
    open_home(settings).dispose()
    written = yaml.safe_load((settings.dagster_home / "dagster.yaml").read_text())
    assert written == instance_configuration(settings.dagster_home)
    assert str(tmp_path / "old") not in str(written)


def test_fetches_of_one_vendor_do_not_run_at_once(tmp_path):
    assert instance_configuration(tmp_path)["concurrency"]["pools"] == {"default_limit": 1, "granularity": "run"}
