"""The derived strategy: its returns by a plain loop over a small market."""

from __future__ import annotations

import datetime as dt
import itertools

import numpy as np
import polars as pl
import pytest

from gnosis.learning.derived_strategy import EDGE_THRESHOLD, derived_strategy_returns
from gnosis.sessions import schedule

DAYS = schedule().filter(pl.col("session") <= dt.date(2019, 6, 28)).tail(30)
SESSION = DAYS["session"].to_list()
SYMBOLS = ["A", "B", "C"]


def market(seed=1):
    rng = np.random.default_rng(seed)
    bars = DAYS.select("session", "close_at").join(pl.DataFrame({"symbol": SYMBOLS}), how="cross")
    price = 100 * np.exp(rng.normal(0, 0.02, bars.height))
    bars = bars.select(
        "session",
        "symbol",
        open=pl.Series(price),
        high=pl.Series(price * 1.01),
        low=pl.Series(price * 0.99),
        close=pl.Series(price),
        volume=pl.lit(1e6),
        # B pays out in session 12: one share before is worth 1.05 after.
        adjustment_factor=pl.when((pl.col("symbol") == "B") & (pl.col("session") >= SESSION[12]))
        .then(1.05)
        .otherwise(1.0),
        known_at="close_at",
        provider=pl.lit("a"),
        synthetic=pl.lit(True),
    )
    edge = rng.uniform(-0.3, 0.3, bars.height)
    said = bars.select("session", "symbol", p_up=pl.Series(0.45 + edge / 2), p_down=pl.Series(0.45 - edge / 2))
    return bars, said.filter(pl.col("session") < SESSION[28])


def by_hand(bars, said, cost_bps):
    """Session by session, symbol by symbol."""
    opens = {
        (row["session"], row["symbol"]): row["open"] * row["adjustment_factor"] for row in bars.iter_rows(named=True)
    }
    edges = {(row["session"], row["symbol"]): row for row in said.iter_rows(named=True)}
    held, price, out = dict.fromkeys(SYMBOLS, 0.0), {}, []
    rows = []
    for at, day in enumerate(SESSION):
        traded = 0.0
        for symbol in SYMBOLS:
            if (day, symbol) not in opens:
                continue
            wanted = 0.0
            predicted = [name for name in SYMBOLS if at and (SESSION[at - 1], name) in edges]
            if symbol in predicted:
                row = edges[SESSION[at - 1], symbol]
                edge = None if row["p_up"] is None else row["p_up"] - row["p_down"]
                if edge is not None and abs(edge) > EDGE_THRESHOLD:
                    wanted = (1 if edge > 0 else -1) / len(predicted)
            traded += abs(wanted - held[symbol])
            held[symbol] = wanted
            price[symbol] = opens[day, symbol]
        rows.append((day, dict(held), dict(price), traded))
    for (day, weights, before, traded), (_, _, after, _) in itertools.pairwise(rows):
        gross = sum(weights[name] * (after[name] / before[name] - 1.0) for name in SYMBOLS if name in before)
        out.append((day, gross - traded * cost_bps / 1e4))
    return [value for day, value in out if day > said["session"].min()]


@pytest.mark.parametrize("cost_bps", [0.0, 7.5])
def test_by_hand(cost_bps):
    bars, said = market()
    found = derived_strategy_returns(said, bars, cost_bps=cost_bps)
    assert found["session"].to_list() == SESSION[1:29]
    assert found["net_return"].to_list() == pytest.approx(by_hand(bars, said, cost_bps), abs=1e-14)
    assert (found["gross_return"] - found["net_return"]).to_list() == pytest.approx(
        (found["turnover"] * cost_bps / 1e4).to_list(), abs=1e-15
    )


def test_by_hand_with_gaps_and_refusals():
    bars, said = market(2)
    bars = bars.filter(~((pl.col("symbol") == "A") & pl.col("session").is_in(SESSION[8:11])))
    bars = bars.filter(~((pl.col("symbol") == "C") & (pl.col("session") < SESSION[5])))
    said = said.filter(~((pl.col("symbol") == "C") & (pl.col("session") < SESSION[5])))
    refused = pl.col("session") == SESSION[15]
    said = said.with_columns(pl.when(~refused).then(name).alias(name) for name in ("p_up", "p_down"))
    found = derived_strategy_returns(said, bars, cost_bps=5.0)
    assert found["net_return"].to_list() == pytest.approx(by_hand(bars, said, 5.0), abs=1e-14)
    assert found.filter(pl.col("session") == SESSION[16])["gross_return"].item() == 0.0
    assert found["n_symbols"].to_list()[:6] == [2, 2, 2, 2, 2, 3]


def test_nothing_comes_from_later():
    bars, said = market()
    expected = derived_strategy_returns(said, bars, cost_bps=5.0).filter(pl.col("session") < SESSION[19])
    early = derived_strategy_returns(
        said.filter(pl.col("session") < SESSION[19]), bars.filter(pl.col("session") < SESSION[20]), cost_bps=5.0
    )
    assert early.equals(expected)


def test_refuses_what_it_cannot_price():
    bars, said = market()
    with pytest.raises(ValueError, match="at least 0 basis points"):
        derived_strategy_returns(said, bars, cost_bps=-1.0)
    with pytest.raises(ValueError, match="repeated keys"):
        derived_strategy_returns(pl.concat([said, said.head(1)]), bars, cost_bps=1.0)
    with pytest.raises(ValueError, match="found none of C"):
        derived_strategy_returns(said, bars.filter(pl.col("symbol") != "C"), cost_bps=1.0)
