"""Random entry: what the positions of a run would have earned at random times (B-9.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.backtest.configuration import BARS_PER_YEAR
from gnosis.backtest.return_figures import RETURN_UNITS, Figure, path_figures
from gnosis.backtest.significance import Insufficient

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 1000
FEWEST_TRADES = 2
FEWEST_SESSIONS = 3
_SHOWN = ("total_return", "cagr", "volatility", "sharpe", "maximum_drawdown")


@dataclass(frozen=True)
class RandomEntry:
    """The trades of a run beside the same trades at random times, both priced by the same rule.

    Attributes
    ----------
    n_draws, n_trades
        Draws, and trades placed in each.
    percentile, sharpe_percentile
        Share of the draws that the run's own placement beats by total return and by Sharpe ratio, ties half; in [0, 1].
        Without skill in timing every value is equally likely.
    cost_rate
        Fees and slippage of the run per $ traded, charged on each side.
    own
        Figures of the run's trades by that rule, not by the ledger: lots are priced from open to open of their
        sessions, whatever moment inside the bar they were closed at.
    drawn
        The same figures of the draws, float64, shape (draws,).
    curve
        ``session``, and ``median``, ``low`` and ``high`` (5 % and 95 % of the draws) as equity over the deposit. The
        median at each session belongs to no single draw.
    """

    n_draws: int
    n_trades: int
    percentile: float
    sharpe_percentile: float | None
    cost_rate: float
    own: dict[str, float]
    drawn: dict[str, NDArray[np.float64]]
    curve: pl.DataFrame

    def figures(self) -> dict[str, Figure]:
        """Return the median of the draws with the range that holds 95 % of them."""
        figures = {}
        for name, values in self.drawn.items():
            unit = RETURN_UNITS[name]
            if np.isfinite(values).all():
                low, middle, high = np.quantile(values, [0.025, 0.5, 0.975])
                figures[name] = Figure(float(middle), unit, None, float(low), float(high))
            else:
                figures[name] = Figure(None, unit, "not defined in every draw")
        return figures

    def strategy_figures(self) -> dict[str, Figure]:
        """Return where the run stands among the draws."""
        reason = None if self.sharpe_percentile is not None else "no Sharpe ratio in some draw"
        return {
            "random_entry_percentile": Figure(self.percentile, "ratio"),
            "random_entry_sharpe_percentile": Figure(self.sharpe_percentile, "ratio", reason),
            "random_entry_own_return": Figure(self.own["total_return"], "ratio"),
            "cost_per_traded_dollar": Figure(self.cost_rate, "ratio"),
        }


def random_entry(
    trades: pl.DataFrame,
    fills: pl.DataFrame,
    equity: pl.DataFrame,
    bars: pl.DataFrame,
    *,
    seed: int,
    draws: int = DRAWS,
) -> RandomEntry | Insufficient:
    """Compare the trades of a run with the same trades entered at random.

    Each draw keeps of every symbol the spells in which it was held, with side, size, holding time and the lots inside,
    and draws their order and the gaps between them: holding times, exposure and what was held at once in a symbol are
    those of the run, and only the times are random. A spell stays within the sessions that have prices of its symbol.

    Parameters
    ----------
    trades, fills, equity
        Rows of ``backtests.trades``, ``.fills`` and ``.equity`` of one run.
    bars
        Rows of ``raw.equity_bars`` of its symbols; prices count times ``adjustment_factor``, so dividends are earned.
        A session without a bar keeps the close before.
    seed, draws
        Of the placements.

    Returns
    -------
    RandomEntry or Insufficient
        Insufficient with fewer than 2 trades or 3 sessions, without fills that traded anything, or when equity or that
        of a draw was not positive.

    Raises
    ------
    ValueError
        For a trade of a symbol without a bar at its entry.
    """
    traded = float((fills["quantity_shares"] * fills["fill_price"]).abs().sum())
    if trades.height < FEWEST_TRADES or traded == 0:
        return Insufficient("random_entry", trades.height, FEWEST_TRADES, "trades", "too few trades to place at random")
    if equity.height < FEWEST_SESSIONS:
        return Insufficient("random_entry", equity.height, FEWEST_SESSIONS, "sessions", "too few sessions to place in")
    if (equity["equity_usd"] <= 0).any():
        return Insufficient("random_entry", trades.height, None, "trades", "equity was not positive")
    from gnosis.backtest.random_entry_kernel import placed_returns

    cost = float((fills["fee_usd"] + fills["slippage_usd"]).sum()) / traded
    sessions = equity["session"]
    lots = _lots(trades, equity)
    symbols = lots["symbol"].unique().sort()
    opens, closes, known = _prices(bars, sessions, symbols)
    spells, spells_of, known = _spells(lots, symbols, known)
    paths = placed_returns(
        opens, closes, known, spells, spells_of, lots.select("first", "last").to_numpy().astype(np.int64),
        lots["weight"].to_numpy(), cost, draws, np.random.default_rng(seed),
    )[:, 1:]  # fmt: skip
    if (paths <= -1).any():
        return Insufficient("random_entry", trades.height, None, "trades", "equity of a draw was not positive")
    found = _figures(paths)
    own = {name: float(values[0]) for name, values in found.items()}
    drawn = {name: values[1:] for name, values in found.items()}
    is_defined = np.isfinite(found["sharpe"]).all()
    growth = np.concatenate([np.ones((draws, 1)), np.cumprod(1 + paths[1:], axis=1)], axis=1)
    low, median, high = np.quantile(growth, [0.05, 0.5, 0.95], axis=0)
    return RandomEntry(
        n_draws=draws,
        n_trades=trades.height,
        percentile=_share_below(own["total_return"], drawn["total_return"]),
        sharpe_percentile=_share_below(own["sharpe"], drawn["sharpe"]) if is_defined else None,
        cost_rate=cost,
        own=own,
        drawn=drawn,
        curve=pl.DataFrame({"session": sessions, "median": median, "low": low, "high": high}),
    )


def _figures(paths: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    parts = [
        path_figures(paths[at : at + 100], paths[at : at + 100], BARS_PER_YEAR) for at in range(0, len(paths), 100)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in _SHOWN}


def _share_below(own: float, drawn: NDArray[np.float64]) -> float:
    return float(np.mean(drawn < own) + np.mean(drawn == own) / 2)


def _lots(trades: pl.DataFrame, equity: pl.DataFrame) -> pl.DataFrame:
    """Return symbol, first and last session as numbers, and signed weight of each trade, by symbol and time."""
    sessions = equity["session"]
    n = sessions.len()
    before = equity["equity_usd"].shift(1).fill_null(equity["equity_usd"][0])
    sign = pl.when(pl.col("side").cast(pl.String) == "long").then(1.0).otherwise(-1.0)
    numbered = trades.with_columns(
        first=pl.Series(sessions.search_sorted(trades["entry_session"]), dtype=pl.Int64),
        last=pl.Series(sessions.search_sorted(trades["exit_session"].fill_null(sessions[-1])), dtype=pl.Int64),
    )
    return (
        numbered.with_columns(last=pl.when(pl.col("exit_session").is_null()).then(n).otherwise("last"))
        .with_columns(
            weight=sign * pl.col("quantity_shares") * pl.col("entry_price") / before.gather(numbered["first"])
        )
        .sort("symbol", "first", "last", "trade_number")
        .select("symbol", "first", "last", "weight")
    )


def _prices(
    bars: pl.DataFrame, sessions: pl.Series, symbols: pl.Series
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    grid = symbols.rename("symbol").to_frame().join(sessions.rename("session").to_frame(), how="cross")
    adjusted = bars.select(
        "session", "symbol", *(pl.col(name) * pl.col("adjustment_factor") for name in ("open", "close"))
    )
    found = grid.join(adjusted, on=["session", "symbol"], how="left", maintain_order="left")
    filled = found.with_columns(close=pl.col("close").forward_fill().over("symbol"))
    filled = filled.with_columns(open=pl.col("open").fill_null(pl.col("close")))
    shape = (symbols.len(), sessions.len())
    opens, closes = (np.ascontiguousarray(filled[name].to_numpy().reshape(shape)) for name in ("open", "close"))
    has_bar = found["close"].is_not_null().to_numpy().reshape(shape)
    known = np.column_stack([has_bar.argmax(axis=1), shape[1] - has_bar[:, ::-1].argmax(axis=1)])
    return opens, closes, known.astype(np.int64)


def _spells(
    lots: pl.DataFrame, symbols: pl.Series, known: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the spells of uninterrupted holding, those of each symbol, and the sessions they may lie in."""
    # A lot that leaves in its own session still takes that session.
    until = pl.max_horizontal("last", pl.col("first") + 1)
    reached = until.cum_max().shift(1).over("symbol")
    spells = (
        lots.with_row_index("lot")
        .with_columns(until=until, begins=(pl.col("first") >= reached).fill_null(True))
        .with_columns(spell=pl.col("begins").cum_sum())
        .group_by("spell", maintain_order=True)
        .agg(
            pl.col("symbol").first(),
            pl.col("first").min(),
            length=pl.col("until").max() - pl.col("first").min(),
            lot_begin=pl.col("lot").min(),
            lot_end=pl.col("lot").max() + 1,
        )
    )
    number = symbols.search_sorted(spells["symbol"])
    if (early := spells["first"].to_numpy() < known[number.to_numpy(), 0]).any():
        missing = spells.filter(pl.Series(early))["symbol"].unique().sort().to_list()
        raise ValueError(
            f"expected bars at the entry of every trade, found none for {missing}: pass the bars of the run"
        )
    ends = np.searchsorted(number.to_numpy(), np.arange(symbols.len()), side="right")
    begins = np.concatenate([[0], ends[:-1]])
    table = spells.select("first", "length", "lot_begin", "lot_end").to_numpy().astype(np.int64)
    # What was held when its last bar was gone ends where it ended.
    longest = np.maximum.reduceat(table[:, 0] + table[:, 1], begins)
    lasting = np.column_stack([known[:, 0], np.maximum(known[:, 1], longest)])
    return np.ascontiguousarray(table), np.column_stack([begins, ends]).astype(np.int64), lasting
