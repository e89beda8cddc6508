"""The batched event log reads back what Dagster's own SQLite storage would: same events, partitions and checks."""

import time
import warnings

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from gnosis_dagster.event_log import BatchedSqliteEventLogStorage

KEYS = [f"2012-01-{day:02d}" for day in range(1, 32)] + [f"2012-02-{day:02d}" for day in range(1, 11)]
A_DAY = dg.DailyPartitionsDefinition("2012-01-01", end_date="2013-01-01")
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
STORAGES = {"dagster": SqliteEventLogStorage, "batched": BatchedSqliteEventLogStorage}


BARS, GREEKS, MODELS = (dg.AssetKey(name) for name in ("bars", "greeks", "models"))


def night():
    """Return a job over two partitioned assets, one of them with checks, and one that is made as a whole."""
    # Dagster calls the policy that every asset of the house has a beta.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        by_day = {"partitions_def": A_DAY, "backfill_policy": dg.BackfillPolicy.single_run()}

        @dg.asset(
            **by_day,
            tags={"room": "raw"},
            check_specs=[
                dg.AssetCheckSpec("passes", asset=BARS, blocking=True),
                dg.AssetCheckSpec("warns", asset=BARS),
            ],
        )
        def bars(context):
            yield dg.MaterializeResult(
                metadata={"rows": len(context.partition_keys)},
                check_results=[
                    dg.AssetCheckResult(check_name="passes", passed=True, metadata={"rows": 7}),
                    dg.AssetCheckResult(check_name="warns", passed=False, severity=dg.AssetCheckSeverity.WARN),
                ],
            )

        @dg.asset(deps=[bars], **by_day)
        def greeks(context) -> None:
            context.add_output_metadata({"rows": 1})

        @dg.asset(deps=[dg.AssetDep(greeks, partition_mapping=dg.LastPartitionMapping())])
        def models() -> None:
            pass

        jobs = [dg.define_asset_job("night", "*")]
        return dg.Definitions([bars, greeks, models], jobs=jobs, executor=dg.in_process_executor)


def instance_of(folder, name):
    storage = STORAGES[name]
    return dg.DagsterInstance.from_config(str(configured(folder / name, storage)))


def configured(folder, storage):
    import yaml

    folder.mkdir(parents=True)
    setting = {
        "telemetry": {"enabled": False},
        "event_log_storage": {
            "module": storage.__module__,
            "class": storage.__name__,
            "config": {"base_dir": str(folder / "events")},
        },
    }
    (folder / "dagster.yaml").write_text(yaml.safe_dump(setting))
    return folder


def run(instance, first, last):
    job = night().resolve_job_def("night")
    tags = dict(zip(RANGE, (first, last), strict=True)) if first != last else {}
    started = time.perf_counter()
    result = job.execute_in_process(instance=instance, tags=tags, partition_key=None if tags else first)
    assert result.success
    return result.run_id, time.perf_counter() - started


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Return an instance and run of each storage, by its name."""
    import os

    folder = tmp_path_factory.mktemp("storages")
    before = os.environ.get("DAGSTER_EVENT_BATCH_SIZE")
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "2000"
    made = {}
    for name in STORAGES:
        instance = instance_of(folder, name)
        made[name] = (instance, run(instance, KEYS[0], KEYS[-1])[0])
    yield made
    for instance, _ in made.values():
        instance.dispose()
    if before is None:
        del os.environ["DAGSTER_EVENT_BATCH_SIZE"]
    else:
        os.environ["DAGSTER_EVENT_BATCH_SIZE"] = before


def read(both, question):
    """Return the answers of both storages to one question."""
    return {name: question(instance, run_id) for name, (instance, run_id) in both.items()}


def same(both, question):
    answers = read(both, question)
    assert answers["batched"] == answers["dagster"]
    assert answers["dagster"], "an empty answer compares nothing"
    return answers["dagster"]


def test_partitions_that_were_materialised_are_the_same(both):
    found = same(both, lambda instance, _: sorted(instance.get_materialized_partitions(BARS)))
    assert found == KEYS
    assert same(both, lambda instance, _: sorted(instance.get_materialized_partitions(GREEKS))) == KEYS


def event_words(event):
    dagster_event = event.dagster_event
    key = dagster_event.asset_key if dagster_event else None
    return (
        dagster_event.event_type_value if dagster_event else event.user_message,
        event.step_key,
        key.to_user_string() if key else None,
        dagster_event.partition if dagster_event and dagster_event.is_step_materialization else None,
    )


def test_events_of_the_run_are_the_same(both):
    # A batch may be written after events that are written alone, so the order inside a second may differ.
    same(both, lambda instance, run_id: sorted(map(str, map(event_words, instance.all_logs(run_id)))))


def test_the_order_of_the_materialisations_is_the_same(both):
    def materialisations(instance, run_id):
        events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        return [event_words(event) for event in events]

    assert len(same(both, materialisations)) == 2 * len(KEYS) + 1


def test_the_records_of_assets_are_the_same(both):
    def records(instance, run_id):
        found = []
        for record in instance.get_asset_records([BARS, GREEKS, MODELS]):
            entry = record.asset_entry
            found.append(
                (
                    entry.asset_key.to_user_string(),
                    entry.last_run_id == run_id,
                    entry.last_materialization.dagster_event.partition,
                    entry.last_materialization.asset_materialization.metadata,
                    entry.last_materialization_record.asset_materialization.tags.keys(),
                )
            )
        return sorted(found, key=lambda words: words[0])

    found = same(both, records)
    assert [words[2] for words in found] == [KEYS[-1], KEYS[-1], None]


@pytest.mark.parametrize("partition", [KEYS[0], KEYS[20], KEYS[-1]])
def test_any_partition_can_be_asked_for(both, partition):
    def events(instance, _):
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(BARS, asset_partitions=[partition]), limit=10
        ).records
        return [(record.partition_key, record.asset_materialization.metadata) for record in records]

    assert len(same(both, events)) == 1


def test_tags_of_the_materialisations_are_the_same(both):
    def tags(instance, _):
        found = instance.event_log_storage.get_event_tags_for_asset(BARS)
        return sorted({tuple(sorted(entry)) for entry in found})

    answers = read(both, tags)
    assert answers["batched"] == answers["dagster"]


@pytest.mark.parametrize(("name", "status"), [("passes", "SUCCEEDED"), ("warns", "FAILED")])
def test_a_check_has_one_record_with_its_result(both, name, status):
    key = dg.AssetCheckKey(BARS, name)

    def latest(instance, run_id):
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        return (record.status.value, record.run_id == run_id, record.event.dagster_event.event_type_value)

    assert same(both, latest) == (status, True, "ASSET_CHECK_EVALUATION")
    storage = both["batched"][0].event_log_storage
    assert [record.status.value for record in storage.get_asset_check_execution_history(key, limit=100)] == [status]


def test_a_summary_of_the_checks_is_the_same(both):
    keys = [dg.AssetCheckKey(BARS, name) for name in ("passes", "warns")]

    def summary(instance, run_id):
        found = instance.event_log_storage.get_asset_check_summary_records(keys)
        return {key.name: record.last_check_execution_record.status.value for key, record in found.items()}

    assert same(both, summary) == {"passes": "SUCCEEDED", "warns": "FAILED"}


def test_a_second_run_of_one_partition_becomes_the_newest(both, monkeypatch):
    for instance, _ in both.values():
        assert run(instance, KEYS[3], KEYS[3])[0]

    def newest(instance, _):
        record = instance.get_latest_materialization_event(BARS)
        return record.dagster_event.partition, len(instance.get_materialized_partitions(BARS))

    assert same(both, newest) == (KEYS[3], len(KEYS))


@pytest.mark.heavy
@pytest.mark.xdist_group("files")
def test_three_hundred_partitions_are_stored_faster_than_sixty_by_dagster(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "2000")
    spent = {}
    for name, last, n_partitions in (("dagster", "2012-02-29", 60), ("batched", "2012-10-26", 300)):
        with instance_of(tmp_path, name) as instance:
            spent[name] = run(instance, "2012-01-01", last)[1]
            assert len(instance.get_materialized_partitions(BARS)) == n_partitions
    print(f"60 partitions by Dagster's storage {spent['dagster']:.1f} s, 300 batched {spent['batched']:.1f} s")
    assert spent["batched"] < spent["dagster"]


def test_an_index_that_was_replaced_is_noticed(tmp_path):
    """A home that is deleted and made anew while somebody looks at it must not swallow what is written."""
    import shutil

    first = BatchedSqliteEventLogStorage(str(tmp_path / "batched" / "events"))
    assert first.all_asset_keys() == []
    shutil.rmtree(tmp_path / "batched")
    instance = instance_of(tmp_path, "batched")
    run(instance, KEYS[0], KEYS[0])
    made = set(instance.event_log_storage.all_asset_keys())
    instance.dispose()
    assert made
    assert set(first.all_asset_keys()) == made
    first.dispose()


def test_only_the_last_run_logs_are_kept_open(tmp_path):
    from gnosis_dagster.event_log import MOST_RUN_LOGS

    storage = BatchedSqliteEventLogStorage(str(tmp_path / "events"))
    for number in range(MOST_RUN_LOGS + 4):
        assert storage.get_logs_for_run(f"run{number}") == []
    assert len(storage._engines) <= MOST_RUN_LOGS + 1
    assert storage.get_logs_for_run("run0") == []
    storage.dispose()
    assert storage._engines == {}


def test_a_failure_is_read_once_its_run_shows_it(tmp_path):
    with instance_of(tmp_path, "batched") as instance:
        run = instance.create_run_for_job(night().resolve_job_def("night"), status=dg.DagsterRunStatus.STARTED)
        read = instance.event_log_storage.get_logs_for_all_runs_by_log_id
        seen_while_stored = []
        changed = instance.run_storage.handle_run_event

        def handle_run_event(*arguments):
            seen_while_stored.append(dict(read(dagster_event_type=dg.DagsterEventType.RUN_FAILURE)))
            changed(*arguments)

        instance.run_storage.handle_run_event = handle_run_event
        instance.report_run_failed(run)
        assert seen_while_stored == [{}]
        (failure,) = read(dagster_event_type=dg.DagsterEventType.RUN_FAILURE).values()
        assert failure.run_id == run.run_id
        instance.delete_run(run.run_id)
