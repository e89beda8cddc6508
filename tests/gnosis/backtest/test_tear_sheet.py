"""The page of one run: self-contained, the same bytes for the same rows, nothing hidden."""

from __future__ import annotations

import datetime as dt
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from gnosis.backtest.metrics import metrics_rows
from gnosis.backtest.tear_sheet import tear_sheet_html
from gnosis.tables import TABLES
from tests.gnosis.backtest.accounts import RUN_KEY, account_of, rows_of, sessions_of

RUN = {
    "run_key": RUN_KEY, "strategy": "rule <b>", "family": "SPY rule", "first_session": dt.date(2015, 1, 2),
    "last_session": dt.date(2015, 3, 2), "n_symbols": 1, "n_orders": 4, "n_fills": 4, "n_trades": 2, "n_trials": 7,
    "share_ambiguous": 0.25, "fill_rule": "next open", "configuration": '{"fee_bps":1}', "parameters": "{}",
    "data_sha256": "d", "code_sha256": "c", "labels": "diagnostic_no_cost,spread_proxy", "is_publishable": False,
    "blocked_by": "a cost of zero; not reconciled", "synthetic": True,
}  # fmt: skip


class Tags(HTMLParser):
    """What a page opens, closes and loads."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    noise = np.random.default_rng(1).normal(0.0005, 0.01, (2, 60))
    strategy, held = account_of(noise[0], with_trades=True), account_of(noise[1])
    overfitting = rows_of(
        "backtests.overfitting",
        {
            "statistic": ["n_effective_trials", "pbo"],
            "value": [5.5, None],
            "unit": ["count", "probability"],
            "reason": [None, "insufficient: 60 returns of 80 needed"],
        },
    )
    metrics = metrics_rows(RUN_KEY, {"strategy": strategy, "buy_and_hold": held}, seed=1, resamples=50)
    return {"metrics": metrics, "overfitting": overfitting, "trades": strategy.trades}


def page_of(tables: dict[str, pl.DataFrame], **rest) -> str:
    rows = {f"backtests.{name}": frame for name, frame in (tables | rest).items()}
    return tear_sheet_html(RUN, rows, {"Equity": b"\x89PNG"})


def test_the_page_needs_nothing_else(tables) -> None:
    page = page_of(tables)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.sources == ["data:image/png;base64,iVBORw=="]
    assert not {"script", "link", "iframe"} & tags.seen
    assert "url(" not in page


def test_equal_rows_give_equal_bytes_in_any_order(tables) -> None:
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=4) for name, frame in tables.items()}
    assert page_of(tables) == page_of(shuffled)


def test_what_a_reader_must_know_stands_at_the_top(tables) -> None:
    top = page_of(tables).split("</header>")[0]
    for words in (
        RUN_KEY, "Not publishable: a cost of zero; not reconciled", "Synthetic", "diagnostic_no_cost", "spread_proxy",
        "7 trials", "worth 5.5 independent", "rule &lt;b&gt;",
    ):  # fmt: skip
        assert words in top


def test_figures_carry_unit_interval_or_reason(tables) -> None:
    page = page_of(tables)
    sharpe = tables["metrics"].filter(
        (pl.col("metric") == "sharpe") & (pl.col("scope") == "all") & (pl.col("series") == "strategy")
    )
    value, low, high = sharpe.select("value", "low", "high").row(0)
    assert f'{value:.5g}<span class="range">[{low:.5g}, {high:.5g}]</span>' in page
    assert "none: 19 of 19 closed trades had no protecting stop, so no initial risk" in page
    assert "insufficient: 60 returns of 80 needed" in page
    assert "By month" in page
    assert "No other engine has replayed these orders" in page


def test_differences_with_other_engines_are_summed_up(tables) -> None:
    rows = rows_of(
        "backtests.reconciliation",
        {
            "engine": ["zipline", "zipline", "vectorbt"],
            "session": sessions_of(3),
            "cause": ["fill_time", "fill_time", "unexplained"],
            "status": ["explained", "explained", "not_run"],
            "difference_usd": [1.25, -3.5, None],
            "reason": ["closes", "closes", "not installed"],
        },
    )
    page = page_of(tables, reconciliation=rows)
    assert '<td class="number">2</td><td class="number">3.50</td>' in page
    assert "not installed" in page


def test_rows_of_another_run_are_refused(tables) -> None:
    other = tables["trades"].with_columns(run_key=pl.lit("another"))
    with pytest.raises(ValueError, match=r"expected backtests\.trades of run"):
        page_of({**tables, "trades": other})
    empty = {name: TABLES[f"backtests.{name}"].empty() for name in tables}
    assert "must not be believed" in page_of(empty)
