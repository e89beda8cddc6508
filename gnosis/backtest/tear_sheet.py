"""The tear sheet: one run on one page, a single HTML file that needs nothing else."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.backtest.tear_sheet_style import CSS
from gnosis.tables.backtests import SCOPES, SERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NEEDED = ("backtests.metrics", "backtests.overfitting", "backtests.trades")
SHOWN_TRADES = 10
FOLDED_ROWS = 24
_WHOLE = "all"
_LABEL_WORDS = {
    "diagnostic_no_cost": "A cost was set to zero: this run is a diagnosis and must not be published.",
    "spread_proxy": "The spread is a stated figure and not a quote.",
    "delisted_without_price": "A delisting has no stored price: longs ended at zero.",
}


def tear_sheet_html(run: Mapping[str, Any], rows: Mapping[str, pl.DataFrame], pictures: Mapping[str, bytes]) -> str:
    """Return the page of one run: the same rows give the same bytes.

    Parameters
    ----------
    run
        Its row of ``backtests.runs``.
    rows
        Its rows of ``backtests.metrics``, ``backtests.overfitting`` and ``backtests.trades``, and of
        ``backtests.reconciliation`` where other engines were asked, by table; rows of other runs are refused.
    pictures
        PNG bytes by caption, shown in this order.

    Raises
    ------
    ValueError
        For rows of another run, or a table that is missing.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.tables import TABLES
    >>> day = dt.date(2024, 1, 2)
    >>> run = {"run_key": "a1", "strategy": "placebo", "family": "SPY placebo", "first_session": day,
    ...     "last_session": day, "n_symbols": 1, "n_orders": 0, "n_fills": 0, "n_trades": 0, "n_trials": 3,
    ...     "share_ambiguous": None, "fill_rule": "next open", "configuration": "{}", "parameters": "{}",
    ...     "data_sha256": "d", "code_sha256": "c", "labels": "", "is_publishable": False, "blocked_by": "no trades",
    ...     "synthetic": True}
    >>> empty = {name: TABLES[name].empty() for name in NEEDED}
    >>> page = tear_sheet_html(run, empty, {})
    >>> "a1" in page, "Not publishable: no trades" in page, "<script" in page
    (True, True, False)
    """
    if missing := sorted(set(NEEDED) - set(rows)):
        raise ValueError(f"expected the rows of {', '.join(NEEDED)}, missing {missing}")
    for name, frame in rows.items():
        _check_run(run, name, frame)
    metrics, overfitting, trades = (rows[name] for name in NEEDED)
    parts = [
        _head(run, overfitting),
        _section("Result", _whole_table(metrics)),
        _section("Pictures", _pictures(pictures)),
        _section("Overfitting", _overfitting_table(overfitting)),
        *_breakdowns(metrics),
        _section("Trades", _trades_table(trades)),
        _section("Other engines", _reconciliation(rows.get("backtests.reconciliation"))),
        _section("What was run", _identity(run)),
    ]
    title = f"{run['strategy']} {run['run_key'][:12]}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _check_run(run: Mapping[str, Any], name: str, frame: pl.DataFrame) -> None:
    strangers = frame.filter(pl.col("run_key") != run["run_key"])
    if strangers.height:
        raise ValueError(
            f"expected {name} of run {run['run_key']}, found {strangers.height} rows of {strangers['run_key'][0]}: "
            "filter by run_key first"
        )


def _head(run: Mapping[str, Any], overfitting: pl.DataFrame) -> str:
    known = dict(zip(overfitting["statistic"], overfitting["value"], strict=True))
    effective = known.get("n_effective_trials")
    worth = "worth an unknown number of" if effective is None else f"worth {_number(effective)}"
    lines = [
        f"<h1>{escape(run['strategy'])}</h1>",
        f'<p class="dim">Run <code>{escape(run["run_key"])}</code></p>',
        f"<p>{run['first_session']} to {run['last_session']}, {run['n_symbols']} symbols, {run['n_orders']} orders, "
        f"{run['n_fills']} fills, {run['n_trades']} trades.</p>",
        f"<p>{run['n_trials']} trials in the family <code>{escape(run['family'])}</code>, "
        f"{worth} independent ones.</p>",
    ]
    if not run["is_publishable"]:
        lines.append(_warning(f"Not publishable: {run['blocked_by'] or 'no reason stored'}"))
    if run["synthetic"]:
        lines.append(_warning("Synthetic: inputs of this run were generated. It says nothing about a market."))
    labels = filter(None, run["labels"].split(","))
    lines += [_warning(f"{label}: {_LABEL_WORDS[label]}" if label in _LABEL_WORDS else label) for label in labels]
    return f"<header>{''.join(lines)}</header>"


def _warning(words: str) -> str:
    return f'<p class="warn">{escape(words)}</p>'


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: int = 1) -> str:
    """Return a table whose first columns are text and whose others are numbers; cells are HTML already."""
    kinds = ["" if at < text_columns else ' class="number"' for at in range(len(header))]
    head = "".join(f"<th{kind}>{escape(cell)}</th>" for kind, cell in zip(kinds, header, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{cell}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>\n" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def _number(value: float | None) -> str:
    """Return a number with five significant digits, without losing whole dollars of large ones."""
    if value is None:
        return "&ndash;"
    if value == round(value) or abs(value) >= 1e5:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1e3 else f"{value:.5g}"


def _cell(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return f'<span class="dim">none: {escape(row["reason"] or "no reason stored")}</span>'
    if row["low"] is None or row["high"] is None:
        return _number(row["value"])
    return f'{_number(row["value"])}<span class="range">[{_number(row["low"])}, {_number(row["high"])}]</span>'


def _words(name: str) -> str:
    return escape(name.replace("_", " "))


def _whole_table(metrics: pl.DataFrame) -> str:
    whole = metrics.filter(pl.col("scope").cast(pl.String) == _WHOLE)
    if whole.is_empty():
        return "<p>No figures are stored.</p>"
    series = [name for name in SERIES if name in whole["series"].cast(pl.String)]
    found = {(str(row["series"]), row["metric"]): row for row in whole.iter_rows(named=True)}
    units = dict(zip(whole["metric"], whole["unit"], strict=True))
    rows = []
    for metric in sorted(units):
        cells = [found.get((name, metric)) for name in series]
        rows.append([_words(metric), escape(units[metric]), *("" if row is None else _cell(row) for row in cells)])
    note = (
        '<p class="dim">In brackets: 95 % intervals, by the stationary bootstrap except sharpe lo (Lo 2002) and alpha '
        "and beta (Newey and West). Of random entry: the median of the draws and the range of 95 % of them.</p>"
    )
    return _table(["metric", "unit", *(name.replace("_", " ") for name in series)], rows, text_columns=2) + note


def _breakdowns(metrics: pl.DataFrame) -> list[str]:
    """Return one section for each way the strategy's run is cut: buckets down, metrics across."""
    own = metrics.with_columns(pl.col("series", "scope").cast(pl.String)).filter(pl.col("series") == "strategy")
    sections = []
    for scope in SCOPES:
        part = own.filter(pl.col("scope") == scope)
        if scope == _WHOLE or part.is_empty():
            continue
        names = part["metric"].unique(maintain_order=True).sort().to_list()
        found = {(row["bucket"], row["metric"]): row for row in part.iter_rows(named=True)}
        units = dict(zip(part["metric"], part["unit"], strict=True))
        rows = []
        for bucket in part["bucket"].unique().sort():
            cells = [found.get((bucket, name)) for name in names]
            n = next(row["n"] for row in cells if row is not None)
            rows.append([escape(bucket), *("" if row is None else _cell(row) for row in cells), str(n)])
        header = [scope.replace("_", " "), *(f"{name.replace('_', ' ')} ({units[name]})" for name in names), "n"]
        body = _table(header, rows)
        if len(rows) > FOLDED_ROWS:
            body = f"<details><summary>{len(rows)} rows</summary>{body}</details>"
        sections.append(_section(f"By {scope.replace('_', ' ')}", body))
    return sections


def _overfitting_table(overfitting: pl.DataFrame) -> str:
    if overfitting.is_empty():
        return _warning("No statistic of overfitting is stored: this result must not be believed.")
    rows = [
        [
            _words(row["statistic"]),
            escape(row["unit"]),
            escape(row["reason"] or ""),
            _number(row["value"]),
            str(row["n"]),
        ]
        for row in overfitting.sort("statistic").iter_rows(named=True)
    ]
    return _table(["statistic", "unit", "why there is none", "value", "returns"], rows, text_columns=3)


def _trades_table(trades: pl.DataFrame) -> str:
    closed = trades.filter(pl.col("exit_session").is_not_null())
    if closed.is_empty():
        return f"<p>No trade was closed; {trades.height} are open.</p>"
    ordered = closed.sort("profit_usd", "trade_number", descending=[True, False])
    shown = ordered if ordered.height <= 2 * SHOWN_TRADES else pl.concat(
        [ordered.head(SHOWN_TRADES), ordered.tail(SHOWN_TRADES)]
    )  # fmt: skip
    numbers = ["profit_usd", "fees_usd", "slippage_usd", "mae_usd", "mfe_usd"]
    rows = [
        [
            str(row["trade_number"]),
            escape(row["symbol"]),
            str(row["side"]),
            f"{row['entry_session']}",
            f"{row['exit_session']}",
            escape(str(row["exit_reason"] or "")),
            str(row["holding_sessions"]),
            *(f"{row[name]:,.2f}" for name in numbers),
        ]
        for row in shown.iter_rows(named=True)
    ]
    words = f"All {closed.height} closed trades" if shown.height == closed.height else (
        f"The {SHOWN_TRADES} best and the {SHOWN_TRADES} worst of {closed.height} closed trades"
    )  # fmt: skip
    header = ["trade", "symbol", "side", "entry", "exit", "closed by", "sessions", "profit $", "fees $", "slippage $",
              "worst open $", "best open $"]  # fmt: skip
    open_now = trades.height - closed.height
    return f"<p>{words}; {open_now} are open.</p>" + _table(header, rows, text_columns=6)


def _reconciliation(rows: pl.DataFrame | None) -> str:
    if rows is None or rows.is_empty():
        return "<p>No other engine has replayed these orders.</p>"
    summed = (
        rows.with_columns(pl.col("engine", "cause", "status").cast(pl.String))
        .group_by("engine", "cause", "status")
        .agg(
            pl.len().alias("bars"),
            pl.col("difference_usd").abs().max().alias("worst"),
            pl.col("reason").drop_nulls().first().alias("reason"),
            pl.col("version").drop_nulls().first().alias("version"),
        )
        .sort("engine", "cause", "status")
    )
    cells = [
        [
            escape(f"{row['engine']} {row['version'] or ''}".strip()),
            _words(row["cause"]),
            _words(row["status"]),
            escape(row["reason"] or ""),
            str(row["bars"]),
            "&ndash;" if row["worst"] is None else f"{row['worst']:,.2f}",
        ]
        for row in summed.iter_rows(named=True)
    ]
    return _table(["engine", "cause", "status", "why", "bars", "largest difference $"], cells, text_columns=4)


def _pictures(pictures: Mapping[str, bytes]) -> str:
    if not pictures:
        return "<p>No picture was drawn.</p>"
    shown = (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{base64.b64encode(png).decode()}"></figure>'
        for caption, png in pictures.items()
    )
    return f'<div class="pictures">{"".join(shown)}</div>'


def _identity(run: Mapping[str, Any]) -> str:
    names = ("run_key", "strategy", "parameters", "configuration", "fill_rule", "family", "data_sha256", "code_sha256")
    rows = [[_words(name), f"<code>{escape(str(run[name]))}</code>"] for name in names]
    ambiguous = run["share_ambiguous"]
    rows.append(["share ambiguous", "no closed trade" if ambiguous is None else f"{ambiguous:.4%} of closed trades"])
    return _table(["", "value"], rows, text_columns=2)
