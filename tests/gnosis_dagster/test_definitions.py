"""The house as Dagster sees it, held by a committed snapshot: every change of the graph shows in a diff.

When a change is meant, write the snapshot anew and look at its diff before it is committed:

    .venv/bin/python -m pytest tests/gnosis_dagster/test_definitions.py -n0 --regenerate-snapshot
"""

from __future__ import annotations

import difflib
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from gnosis.tables import TABLES
from gnosis.trading.strategies import SHIPPED
from gnosis_dagster.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("graph_snapshot.json")
HEAVY_MODULES = ("mlflow", "xgboost", "sklearn", "ccxt", "yfinance", "duckdb", "matplotlib", "scipy", "numba")
REGENERATE = f".venv/bin/python -m pytest {Path(__file__).relative_to(ROOT)} -n0 --regenerate-snapshot"


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("GNOSIS_", "DAGSTER_", "MLFLOW_")):
                patch.delenv(name)
        home = tmp_path_factory.mktemp("definitions")
        patch.setenv("GNOSIS_HOME", str(home))
        patch.setenv("DAGSTER_HOME", str(home / "dagster"))
        module = importlib.import_module("gnosis_dagster.definitions")
        return module.build_definitions()


def graph_of(definitions):
    """Return what the house is made of, as plain sorted values."""
    graph = definitions.resolve_asset_graph()
    assets = {}
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.path):
        node = graph.get(key)
        assets[".".join(key.path)] = {
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "owners": sorted(node.owners),
            "by_session": node.partitions_def is not None,
            "single_run_backfill": node.backfill_policy == dg.BackfillPolicy.single_run(),
            "depends_on": sorted(".".join(parent.path) for parent in node.parent_keys),
            "pools": sorted(node.pools or ()),
            "checks": {
                check.name: "blocking" if graph.get_check_spec(check).blocking else "warning"
                for check in sorted(graph.get_check_keys_for_assets({key}), key=lambda check: check.name)
            },
        }
    jobs = {
        job.name: sorted(
            ".".join(key.path) for key in definitions.resolve_job_def(job.name).asset_layer.executable_asset_keys
        )
        for job in definitions.jobs
    }
    schedules = {
        schedule.name: {
            "cron": schedule.cron_schedule,
            "timezone": schedule.execution_timezone,
            "job": schedule.job_name,
            "default": schedule.default_status.value,
        }
        for schedule in definitions.schedules
    }
    sensors = {
        sensor.name: {"default": sensor.default_status.value, "every_s": sensor.minimum_interval_seconds}
        for sensor in definitions.sensors
    }
    return {
        "assets": assets,
        "jobs": jobs,
        "schedules": schedules,
        "sensors": sensors,
        "resources": sorted(definitions.resources),
    }


def test_the_graph_is_that_of_the_committed_snapshot(definitions, request):
    found = json.dumps(graph_of(definitions), indent=1, sort_keys=True) + "\n"
    if request.config.getoption("--regenerate-snapshot"):
        SNAPSHOT.write_text(found)
        pytest.skip(f"{SNAPSHOT.name} was written anew; look at its diff")
    expected = SNAPSHOT.read_text()
    difference = "\n".join(
        difflib.unified_diff(expected.splitlines(), found.splitlines(), "snapshot", "now", lineterm="", n=6)
    )
    assert not difference, f"the graph has changed:\n{difference}\nWhen this is meant: {REGENERATE}"


def test_every_table_of_the_dictionary_is_an_asset_of_the_same_name(definitions):
    keys = {".".join(key.path) for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    tear_sheets = {f"strategies.{strategy.name}" for strategy in SHIPPED}
    assert keys - {"catalog"} - tear_sheets == {name for name, table in TABLES.items() if not table.is_companion}
    assert keys >= tear_sheets


def test_a_strategy_of_the_user_is_an_asset_of_its_own(tmp_path):
    (tmp_path / "calm.py").write_bytes((ROOT / "docs/examples/strategies/calm_markets.py").read_bytes())
    (tmp_path / "broken.py").write_text("import nothing_of_this_name")
    build_definitions = importlib.import_module("gnosis_dagster.definitions").build_definitions
    found = build_definitions(Settings(home=tmp_path / "home", strategies=tmp_path))
    graph = found.resolve_asset_graph()
    assert dg.AssetKey(["strategies", "calm_markets"]) in graph.get_all_asset_keys()
    parents = {".".join(key.path) for key in graph.get(dg.AssetKey(["backtests", "runs"])).parent_keys}
    assert "features.regime" in parents


def test_every_asset_documents_its_columns_with_units_and_lineage(definitions):
    graph = definitions.resolve_asset_graph()
    for name, table in TABLES.items():
        if table.is_companion:
            continue
        node = graph.get(dg.AssetKey(name.split(".")))
        columns = {column.name: column for column in node.metadata["dagster/column_schema"].columns}
        assert list(columns) == list(table.polars_schema)
        assert all(f"[{table.unit(column)}]" in columns[column].description for column in columns)
        assert table.title in node.description
        assert node.owners
        lineage = node.metadata["dagster/column_lineage"].deps_by_column
        assert set(lineage) == set(columns)
        parents = {".".join(key.path) for key in node.parent_keys}
        for sources in lineage.values():
            for source in sources:
                upstream = ".".join(source.asset_key.path)
                assert upstream in parents
                assert source.column_name in TABLES[upstream].polars_schema
        # The codes of the categories follow from the registry alone.
        assert table.room == "raw" or any(lineage.values()) or name == "features.categories"


def test_dependencies_run_from_room_to_room_only_forwards(definitions):
    rooms = ["raw", "greeks", "engines", "features", "models", "trades", "backtests", "catalog", "strategies"]
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        for parent in graph.get(key).parent_keys:
            assert rooms.index(parent.path[0]) <= rooms.index(key.path[0])


def test_nothing_is_published_before_every_table_is_checked(definitions):
    graph = definitions.resolve_asset_graph()
    parents = {".".join(key.path) for key in graph.get(dg.AssetKey("catalog")).parent_keys}
    assert parents == {name for name, table in TABLES.items() if not table.is_companion}


def test_every_job_and_schedule_resolves(definitions):
    dg.Definitions.validate_loadable(definitions)


def test_partitions_of_an_earlier_first_session_reach_back(definitions, tmp_path, monkeypatch):
    import datetime as dt

    from gnosis_dagster.definitions import definitions_reaching
    from gnosis_dagster.settings import Settings

    monkeypatch.setenv("GNOSIS_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    early = definitions_reaching(Settings(), dt.date(2001, 1, 2))
    keys = early.resolve_asset_graph().get(dg.AssetKey(["raw", "macro"])).partitions_def.get_partition_keys()
    assert "2001-01-02" in keys
    assert "2012-12-31" in keys
    assert "2001-01-01" not in keys


def test_two_homes_in_one_process_are_two_houses(tmp_path, monkeypatch):
    from gnosis_dagster.definitions import definitions_reaching
    from gnosis_dagster.settings import Settings

    homes = []
    for name in ("one", "two"):
        monkeypatch.setenv("GNOSIS_HOME", str(tmp_path / name))
        found = Settings()
        homes.append(definitions_reaching(found, found.first_session).resources["lake"].home)
    assert homes == [str(tmp_path / "one"), str(tmp_path / "two")]


def python(code, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GNOSIS_", "DAGSTER_"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment | {"GNOSIS_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.heavy
@pytest.mark.xdist_group("files")
def test_loading_the_definitions_imports_no_heavy_module_and_writes_nothing(tmp_path):
    code = (
        "import sys, time, gnosis_dagster.definitions\n"
        f"print(','.join(name for name in {HEAVY_MODULES!r} if name in sys.modules))\n"
        "print(f'definitions loaded in {time.process_time():.1f} s of CPU')\n"
    )
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    imported, seconds = done.stdout.splitlines()
    print(seconds)
    assert imported == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.heavy
@pytest.mark.xdist_group("files")
def test_imports_run_downwards_only():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
