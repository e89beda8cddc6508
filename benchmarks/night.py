"""What a user waits for: loading the definitions, the first five years, one further night, a query, the event log.

Run as ``python benchmarks/night.py``; it takes about four minutes and leaves nothing behind. Each figure stands beside
its limit, or beside something else done in the same run, as a ratio. A night's own work is timed from outside, by
wrapping the functions that make, validate, store, check and show rows in a process that is otherwise ``gnosis run
--next 1``; what the job takes beyond them is Dagster's.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

ROOT = Path(__file__).resolve().parents[1]
IMPORT_CPU_LIMIT_S = 4.0
FIVE_YEARS_LIMIT_S = 90.0
NIGHT_LIMIT_S = 15.0
DAGSTER_LIMIT_S = 5.0
N_IMPORTS = 5
N_NIGHTS = 3
N_EVENT_LOGS = 3
N_PARTITIONS = 300
LARGEST_TABLE = "greeks.option_greeks"


@dataclass(frozen=True)
class Ended:
    """A child process that ended well; ``peak_mib`` is its largest resident set."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str


@dataclass
class Stopwatch:
    """Wall seconds of the job, and in it by kind of own work; what runs inside other own work is counted once."""

    seconds: dict[str, float] = field(default_factory=dict)
    job_s: float = 0.0
    own_cpu_s: float = 0.0
    job_cpu_s: float = 0.0
    is_counting: bool = False

    def time_job(self, owner: Any, name: str) -> None:
        """Replace the function ``owner.name`` by one within which own work is counted."""
        function = getattr(owner, name)

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.is_counting, started, cpu = True, time.perf_counter(), time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.is_counting = False
                self.job_s += time.perf_counter() - started
                self.job_cpu_s += time.process_time() - cpu

        setattr(owner, name, timed)

    def time_calls(self, kind: str, owner: Any, name: str) -> None:
        """Replace the function ``owner.name`` by one whose seconds are counted as ``kind`` while the job runs."""
        function = getattr(owner, name)

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            return self._counted(kind, lambda: function(*args, **kwargs))

        @wraps(function)
        def timed_steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
            steps, end = function(*args, **kwargs), object()
            while (step := self._counted(kind, lambda: next(steps, end))) is not end:
                yield step

        setattr(owner, name, timed_steps if inspect.isgeneratorfunction(function) else timed)

    def _counted(self, kind: str, work: Callable[[], Any]) -> Any:
        if not self.is_counting:
            return work()
        self.is_counting, started, cpu = False, time.perf_counter(), time.process_time()
        try:
            return work()
        finally:
            self.is_counting = True
            self.own_cpu_s += time.process_time() - cpu
            self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - started


def environment(home: Path) -> dict[str, str]:
    chosen = ("GNOSIS_", "DAGSTER_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(chosen)}
    return kept | {"GNOSIS_HOME": str(home)}


def run(home: Path, *arguments: str) -> Ended:
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment(home), stdout=output, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - started
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with status {process.returncode}:\n{text}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Ended(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / unit, text)


def make_one_night(report: Path) -> None:
    """Do ``gnosis run --next 1`` in this process and write what its job took: as a whole, and by kind of own work."""
    from assets import checks, presentation
    from assets.table_asset import TableAsset
    from gnosis_dagster import cli, nights
    from resources import lake_io_manager
    from resources.lake import Lake
    from resources.market_data import MarketDataResource
    from resources.tracking_resource import TrackingResource

    own = Stopwatch()
    own.time_job(nights, "execute")
    own.time_calls("make", TableAsset, "_rows")
    own.time_calls("make", MarketDataResource, "market_data")
    own.time_calls("make", TrackingResource, "tracking")
    own.time_calls("store", lake_io_manager, "split_by_rules")
    own.time_calls("store", lake_io_manager, "write_quarantine")
    own.time_calls("store", Lake, "write")
    own.time_calls("check", checks, "evaluate")
    own.time_calls("show", presentation, "show")
    own.time_calls("publish", Lake, "publish_catalog")
    status = cli.main(["run", "--next", "1"])
    report.write_text(json.dumps({"job": own.job_s, "own": own.seconds, "rest_cpu": own.job_cpu_s - own.own_cpu_s}))
    sys.exit(status)


def event_log_seconds(folder: Path, *, is_batched: bool) -> float:
    from gnosis_dagster.home import instance_configuration
    from gnosis_dagster.nights import execute
    from gnosis_dagster.settings import EVENT_BATCH_SIZE
    from gnosis_dagster.terminal import terminal_logger

    first = dt.date(2020, 1, 1)
    last = first + dt.timedelta(days=N_PARTITIONS - 1)
    days = dg.DailyPartitionsDefinition(first.isoformat(), end_date=(last + dt.timedelta(days=1)).isoformat())

    @dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run())
    def toy() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"rows": 1})

    definitions = dg.Definitions([toy], jobs=[dg.define_asset_job("toy_job")], loggers={"console": terminal_logger})
    folder.mkdir()
    configuration = instance_configuration(folder) if is_batched else {"telemetry": {"enabled": False}}
    (folder / "dagster.yaml").write_text(yaml.safe_dump(configuration))
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = EVENT_BATCH_SIZE if is_batched else "0"
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        started = time.perf_counter()
        execute(definitions, instance, "toy_job", first, last)
        seconds = time.perf_counter() - started
        stored = instance.get_materialized_partitions(toy.key)
    if len(stored) != N_PARTITIONS:
        raise SystemExit(f"expected {N_PARTITIONS} materialised partitions, found {len(stored)}")
    return seconds


def count_seconds(home: Path) -> tuple[float, float, int]:
    """Return seconds of ``count(*)`` on a new connection to the catalog, of Polars on the same files, and the count."""
    import polars as pl

    from resources.lake import Lake

    lake = Lake(home)
    files = sorted(Path(str(home), "lake", *LARGEST_TABLE.split(".")).rglob("*.parquet"))

    def by_sql() -> int:
        with lake.connect() as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {LARGEST_TABLE}").fetchall()[0]
        return int(count)

    sql_s, count = median_seconds(by_sql)
    polars_s, _ = median_seconds(lambda: pl.scan_parquet(files).select(pl.len()).collect().item())
    return sql_s, polars_s, count


def median_seconds(work: Callable[[], int], repeats: int = 5) -> tuple[float, int]:
    times, value = [], 0
    for _ in range(repeats):
        started = time.perf_counter()
        value = work()
        times.append(time.perf_counter() - started)
    return statistics.median(times), value


def say(what: str, figure: str, beside: str = "", ratio: float | None = None) -> None:
    print(f"{what:<58} {figure:>12} {beside:>22} {'' if ratio is None else f'{ratio:8.2f}'}", flush=True)


def say_limit(what: str, seconds: float, limit_s: float) -> None:
    say(what, f"{seconds:.2f} s", f"limit {limit_s:.0f} s", seconds / limit_s)


def machine() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory_gib:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}; load {os.getloadavg()[0]:.1f} at the start"
    )


def main() -> None:
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    print(machine())
    print(f"{'':<58} {'median':>12} {'beside':>22} {'ratio':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        home = folder / "home"

        load = ("-c", "import gnosis_dagster.definitions")
        run(home, *load)
        loads = [run(home, *load) for _ in range(N_IMPORTS)]
        dagster = [run(home, "-c", "import dagster") for _ in range(N_IMPORTS)]
        say_limit("load the definitions, CPU", statistics.median(ended.cpu_s for ended in loads), IMPORT_CPU_LIMIT_S)
        wall_s, dagster_s = (statistics.median(ended.wall_s for ended in each) for each in (loads, dagster))
        say("load the definitions, wall", f"{wall_s:.2f} s", f"import dagster {dagster_s:.2f} s", wall_s / dagster_s)

        years = run(home, "-m", "gnosis_dagster.cli", "run")
        say_limit("gnosis run, five years into an empty home, wall", years.wall_s, FIVE_YEARS_LIMIT_S)
        say("  CPU", f"{years.cpu_s:.1f} s", "wall", years.cpu_s / years.wall_s)
        say("  peak memory", f"{years.peak_mib:,.0f} MiB")
        again = run(home, "-m", "gnosis_dagster.cli", "run")
        say("gnosis run once more, nothing to do", f"{again.wall_s:.2f} s", "the first", again.wall_s / years.wall_s)

        nights, reports = [], []
        for number in range(N_NIGHTS):
            report = folder / f"night-{number}.json"
            nights.append(run(home, str(Path(__file__).resolve()), "--one-night", str(report)))
            reports.append(json.loads(report.read_text()))
        say_limit(
            "gnosis run --next 1, whole process, wall", statistics.median(n.wall_s for n in nights), NIGHT_LIMIT_S
        )
        jobs = [report["job"] for report in reports]
        owns = [sum(report["own"].values()) for report in reports]
        say("  CPU", f"{statistics.median(n.cpu_s for n in nights):.2f} s")
        say("  its job", f"{statistics.median(jobs):.2f} s")
        for kind in reports[0]["own"]:
            seconds = statistics.median(report["own"][kind] for report in reports)
            say(f"    {kind}", f"{seconds:.2f} s", "job", seconds / statistics.median(jobs))
        overhead = statistics.median(job - own for job, own in zip(jobs, owns, strict=True))
        say_limit("    the rest: Dagster itself", overhead, DAGSTER_LIMIT_S)
        rest_cpu_s = statistics.median(report["rest_cpu"] for report in reports)
        say("      CPU", f"{rest_cpu_s:.2f} s", "wall", rest_cpu_s / overhead)
        memory = max(ended.peak_mib for ended in nights)
        say("  peak memory", f"{memory:,.0f} MiB", "five years", memory / years.peak_mib)

        sql_s, polars_s, count = count_seconds(home)
        beside = f"Polars {1e3 * polars_s:.0f} ms"
        say(f"count(*) of {count:,} rows, connecting included", f"{1e3 * sql_s:.0f} ms", beside, sql_s / polars_s)

        stock, batched = [], []
        for number in range(N_EVENT_LOGS):
            stock.append(event_log_seconds(folder / f"stock-{number}", is_batched=False))
            batched.append(event_log_seconds(folder / f"batched-{number}", is_batched=True))
        ours_s, stock_s = statistics.median(batched), statistics.median(stock)
        what = f"run of one asset and {N_PARTITIONS} partitions, our event log"
        say(what, f"{ours_s:.2f} s", f"Dagster's {stock_s:.2f} s", ours_s / stock_s)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one-night"]:
        make_one_night(Path(sys.argv[2]))
    else:
        main()
