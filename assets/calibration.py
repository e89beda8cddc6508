"""The calibration ledger: the odds of every idea, written down before and scored for ever."""

from __future__ import annotations

import polars as pl

from assets import trade_checks as checks
from assets.night import Night
from assets.plots import trades as plots
from assets.table_asset import table_asset
from gnosis.sessions import schedule


@table_asset(
    "trades.calibration",
    "trades.calibration_scores",
    reads=("trades.ideas", "raw.equity_bars"),
    plots={"trades.calibration_scores": plots.reliability},
    own_checks=checks.CALIBRATION,
)
def calibration(night: Night) -> dict[str, pl.DataFrame]:
    """Births of the ideas published since, and what became of those that are open; no row ever changes."""
    from gnosis.trading.calibration_ledger import IDEA, extended, first_open_session
    from gnosis.trading.calibration_scores import scores

    stated = night.read_all("trades.ideas").filter(pl.col("p_event").is_not_null())
    side = pl.when(pl.col("target_log") > 0.0).then(1).otherwise(-1)
    ideas = stated.with_columns(side=side, model_version=pl.col("model_version").fill_null("none"))
    ideas = ideas.select(list(IDEA)).cast(IDEA)
    stored = night.stored()
    close = schedule().filter(pl.col("session") == night.last)["close_at"][0]
    as_of = max(close, ideas["as_of"].max() or close)
    first = first_open_session(stored, ideas)
    bars = night.read_all("raw.equity_bars")
    bars = bars.clear() if first is None else bars.filter(pl.col("session") >= first)
    ledger = extended(stored, ideas, bars, as_of)
    return {"trades.calibration": ledger, "trades.calibration_scores": scores(ledger)}
