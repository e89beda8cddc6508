"""The summary after a run: tables, engines, features, scores beside their baselines, backtest, quarantine, seconds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl
from rich import box
from rich.console import Console
from rich.table import Table as Grid

from gnosis.features import BY_NAME, GROUPS, features_of
from gnosis.learning.heads import PUBLISHED
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from gnosis_dagster.nights import RunReport
    from gnosis_dagster.settings import Settings
    from resources.lake import Lake

METRICS = {
    "total_return": "return",
    "sharpe": "Sharpe per year",
    "maximum_drawdown": "drawdown",
    "turnover": "turnover per year",
    "cost_share": "cost share",
}
LATEST_ELASTICITY = (
    "select session, symbol, gex_usd_per_pct, amplification, confidence from engines.elasticity "
    "where sign_convention = 'naive' order by session desc, symbol limit 5"
)


def _grid(title: str, *columns: str) -> Grid:
    grid = Grid(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(columns):
        grid.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
    return grid


def show(console: Console, settings: Settings, lake: Lake, reports: Sequence[RunReport], seconds: float) -> None:
    """Print the summary of the home's present state and of the runs just made."""
    _tables(console, lake)
    _engines(console, lake)
    _features(console, lake)
    _scores(console, lake)
    show_backtests(console, lake)
    _quarantine(console, lake)
    if reports:
        _seconds(console, reports, seconds)
    _next(console, settings, lake)


def _tables(console: Console, lake: Lake) -> None:
    grid = _grid("Tables", "table", "rows", "sessions", "first", "last", "files", "MiB", "synthetic")
    shown = [name for name, table in TABLES.items() if not table.is_companion]
    for row in lake.summary().filter(pl.col("table").is_in(shown)).iter_rows(named=True):
        share = _synthetic_share(lake, row["table"])
        grid.add_row(
            row["table"],
            f"{row['rows']:,}",
            f"{row['sessions']:,}" if row["sessions"] else "",
            str(row["first"] or ""),
            str(row["last"] or ""),
            f"{row['files']:,}",
            f"{row['bytes'] / 2**20:,.1f}",
            share,
        )
    console.print(grid)


def _synthetic_share(lake: Lake, table: str) -> str:
    if "synthetic" not in TABLES[table].polars_schema:
        return ""
    share = lake.scan(table).select(pl.col("synthetic").cast(pl.Float64).mean()).collect().item()
    return "" if share is None else f"{share:.0%}"


def _engines(console: Console, lake: Lake) -> None:
    sessions = lake.sessions("engines.liquidity")
    if not sessions:
        return
    newest = sessions[-1]
    liquidity = lake.read("engines.liquidity", first=newest, last=newest)
    sentiment = lake.read("engines.sentiment", first=newest, last=newest)
    elasticity = lake.read("engines.elasticity", first=newest, last=newest)
    naive = elasticity.filter(pl.col("sign_convention") == "naive")
    rows = liquidity.join(naive, on="symbol", how="left", suffix="_of_elasticity")
    rows = rows.join(sentiment, on="symbol", how="left", suffix="_of_sentiment").sort("symbol")
    title = f"Engines, {newest}, naive dealer signs; confidence of liquidity / elasticity / sentiment"
    columns = ("liquidity", "$m per 1 % (p10 to p90)", "amplification", "hedging", "sentiment", "confidence")
    grid = _grid(title, "symbol", *columns)
    for row in rows.iter_rows(named=True):
        grid.add_row(
            row["symbol"],
            row["liq_regime"] or "-",
            _band(row),
            _number(row["amplification"], ".3f"),
            row["interpretation"] or "-",
            f"{_number(row['fused'], '+.2f')} {row['sent_bias'] or ''}".rstrip(),
            " / ".join(_number(row[name], ".2f") for name in ("liq_confidence", "confidence", "sent_confidence")),
        )
    console.print(grid)
    _falsification(console, lake)


def _band(row: Mapping[str, float | None]) -> str:
    value, low, high = (row[name] for name in ("stiffness_usd_per_pct", "stiffness_p10", "stiffness_p90"))
    if value is None:
        return "-"
    return f"{value / 1e6:,.0f}" + ("" if low is None or high is None else f" ({low / 1e6:,.0f} to {high / 1e6:,.0f})")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _falsification(console: Console, lake: Lake) -> None:
    sessions = lake.sessions("engines.calibration")
    if not sessions:
        return
    rows = lake.read("engines.calibration", first=sessions[-1], last=sessions[-1])
    verdicts = rows.filter((pl.col("test") == "range_on_amplification") & (pl.col("sign_convention") == "naive"))
    words = ", ".join(
        f"{row['symbol']} {_number(row['estimate'], '+.2f')} ± {_number(row['standard_error'], '.2f')} {row['verdict']}"
        for row in verdicts.sort("symbol").iter_rows(named=True)
    )
    if words:
        console.print(f"Does predicted amplification show in the next session's move? Slope: {words}.\n")


def _features(console: Console, lake: Lake) -> None:
    """Say how many of the features are known at the newest session, and which are null for every symbol."""
    sessions = lake.sessions("features.matrix")
    if not sessions:
        return
    rows = lake.read("features.matrix", first=sessions[-1], last=sessions[-1])
    grid = _grid(f"Features, {sessions[-1]}", "symbol", *(str(group) for group in GROUPS), "all", "confidence")
    for row in rows.sort("symbol").iter_rows(named=True):
        known = [_known(row, [feature.name for feature in features_of(group)]) for group in GROUPS]
        grid.add_row(row["symbol"], *known, _known(row, list(BY_NAME)), f"{row['confidence']:.2f}")
    console.print(grid)
    nowhere = [name for name in BY_NAME if rows[name].null_count() == rows.height]
    if nowhere:
        console.print(
            f"Null for every symbol: {', '.join(nowhere)}. Reasons stand in the tables of the groups and in their "
            "checks nulls_have_reasons.\n"
        )


def _known(row: Mapping[str, object], names: Sequence[str]) -> str:
    return f"{sum(row[name] is not None for name in names)} of {len(names)}"


def _scores(console: Console, lake: Lake) -> None:
    scores = lake.read("models.evaluation").filter(pl.col("scope") == "stitched")
    direction = scores.filter(pl.col("head") == "direction")
    if direction.is_empty():
        console.print("Model scores: none yet, no walk-forward fold has enough labelled sessions.\n")
        return
    horizon, n = direction["horizon_bars"][0], direction["n"][0]
    title = f"Direction, {horizon} sessions ahead, {n:,} out-of-sample rows (± standard error)"
    metrics = ["log_loss", "log_loss_skill", "brier", "ece", "directional_accuracy", "coverage", "auc"]
    grid = _grid(title, "model", *metrics, "verdict")
    for (name,), part in direction.group_by("model_name", maintain_order=True):
        rows = {row["metric"]: row for row in part.iter_rows(named=True)}
        grid.add_row(str(name), *[_with_error(rows.get(metric)) for metric in metrics], str(part["verdict"][0]))
    console.print(grid)
    published = scores.filter((pl.col("model_name") == PUBLISHED) & (pl.col("head") != "direction"))
    verdicts = published.select("head", "verdict").unique().sort("head").iter_rows()
    told = ", ".join(f"{head} {verdict}" for head, verdict in verdicts)
    console.print(f"Other heads by {PUBLISHED}: {told}.\n")


def _with_error(row: dict[str, float] | None) -> str:
    if row is None or row["value"] is None:
        return "-"
    error = row["standard_error"]
    return f"{row['value']:.4f}" + (f" ± {error:.4f}" if error is not None else "")


def show_backtests(console: Console, lake: Lake) -> None:
    """Print each strategy beside the probability that it is more than luck."""
    runs = lake.read("backtests.runs").sort("strategy")
    if runs.is_empty():
        console.print("Backtests: none yet, no strategy could decide.\n")
        return
    origin = ", partly synthetic inputs" if runs["synthetic"].any() else ""
    span = f"{runs['first_session'].min()!s} to {runs['last_session'].max()!s}"
    grid = _grid(
        f"Backtests, {span}{origin}", "strategy", *METRICS.values(), "trials", "deflated Sharpe", "publishable"
    )
    whole = (pl.col("scope").cast(pl.String) == "all") & (pl.col("series").cast(pl.String) == "strategy")
    metrics = lake.scan("backtests.metrics").filter(whole).select("run_key", "metric", "value").collect()
    values = {(key, name): value for key, name, value in metrics.iter_rows()}
    deflated = pl.col("statistic") == "dsr_effective_trials"
    found = lake.scan("backtests.overfitting").filter(deflated).select("run_key", "value").collect()
    statistics = dict(found.iter_rows())
    for run in runs.iter_rows(named=True):
        key = run["run_key"]
        figures = [_figure(values.get((key, name))) for name in METRICS]
        told = "yes" if run["is_publishable"] else "no"
        grid.add_row(run["strategy"], *figures, f"{run['n_trials']}", _figure(statistics.get(key)), told)
    console.print(grid)
    blocked = runs.drop_nulls("blocked_by").group_by("blocked_by", maintain_order=True).agg("strategy")
    for reason, names in blocked.iter_rows():
        console.print(f"Not publishable: {', '.join(names)}: {reason}.")
    console.print()


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4f}"


def _quarantine(console: Console, lake: Lake) -> None:
    names = [name for name in lake.tables() if name.startswith("quarantine.")]
    found = [lake.scan(name).group_by("rule").len().with_columns(table=pl.lit(name)).collect() for name in names]
    rows = pl.concat(found).sort("table", "rule") if found else pl.DataFrame()
    if rows.is_empty():
        console.print("Quarantined rows: none.\n")
        return
    grid = _grid("Quarantined rows", "table", "rows", "rule")
    for row in rows.iter_rows(named=True):
        grid.add_row(row["table"], f"{row['len']:,}", row["rule"])
    console.print(grid)


def _seconds(console: Console, reports: Sequence[RunReport], seconds: float) -> None:
    by_room: dict[str, float] = {}
    for report in reports:
        for step, spent in report.step_seconds.items():
            room = step.split("__")[0]
            by_room[room] = by_room.get(room, 0.0) + spent
    in_steps = sum(by_room.values())
    grid = _grid("Seconds", "room", "s")
    for room, spent in by_room.items():
        grid.add_row(room, f"{spent:.1f}")
    grid.add_row("outside the rooms", f"{seconds - in_steps:.1f}")
    grid.add_row("all", f"{seconds:.1f}")
    console.print(grid)


def _next(console: Console, settings: Settings, lake: Lake) -> None:
    if lake.scan("raw.option_quotes").select(pl.col("synthetic").any()).collect().item():
        console.print(
            "Bars and index levels are real (see docs/data.md); option quotes, macro vintages, VIX before 2014, books, "
            "intraday bars, short volume and texts are generated, and every row that rests on them says so: synthetic."
        )
    console.print(f"\nEverything is in {settings.home}. Next:")
    for command, purpose in (
        ("make up", "the Dagster UI with schedules, and MLflow"),
        (f'.venv/bin/gnosis sql "{LATEST_ELASTICITY}"', "SQL"),
        (f"duckdb -readonly {shlex.quote(str(settings.catalog_path))}", "the same catalog in any DuckDB client"),
        (".venv/bin/gnosis tables", "the data dictionary with units"),
        (".venv/bin/gnosis run --next 1", "one further session"),
    ):
        console.print(f"  {command}\n      {purpose}", soft_wrap=True, highlight=False)
