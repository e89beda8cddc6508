"""A small market in which hedge pressure foretells returns as much as a test wants, and everything else is noise."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from gnosis.trading.ideas import Past, ideas
from gnosis.trading.parameters import IdeaParameters

FIRST = dt.date(2014, 1, 2)
WARM, HORIZON = 60, 5
PARAMETERS = IdeaParameters(n_pairs=400)


def as_table(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    schema = TABLES[name].polars_schema
    empty = [pl.lit(None).alias(column) for column in schema if column not in frame.columns]
    return frame.with_columns(empty).select(list(schema)).cast(schema).sort(TABLES[name].key)


@dataclass(frozen=True)
class IdeaWorld:
    """Inputs of :func:`gnosis.trading.ideas.ideas`."""

    predictions: pl.DataFrame
    tables: dict[str, pl.DataFrame]
    bars: pl.DataFrame
    labels: pl.DataFrame
    signal: pl.DataFrame
    parameters: IdeaParameters = field(default=PARAMETERS)

    def ideas(self, past: Past | None = None) -> dict[str, pl.DataFrame]:
        return ideas(self.predictions, self.tables, self.bars, self.labels, past or Past.nothing(), self.parameters)

    def until(self, last: dt.date, first: dt.date | None = None) -> IdeaWorld:
        """Return what is known on an evening, to decide the sessions from ``first`` on."""
        seen = {name: rows.filter(pl.col("session") <= last) for name, rows in self.tables.items()}
        predictions = self.predictions.filter(pl.col("session") <= last)
        if first is not None:
            predictions = predictions.filter(pl.col("session") >= first)
        return replace(
            self,
            predictions=predictions,
            tables=seen,
            bars=self.bars.filter(pl.col("session") <= last),
            labels=self.labels.filter(pl.col("session") <= last),
        )

    def changed(self, table: str, **columns: pl.Expr) -> IdeaWorld:
        """Return the world with other values in some columns of an engine's table or of the predictions."""
        if table == "models.predictions":
            return replace(self, predictions=_recast(self.predictions, columns))
        return replace(self, tables=self.tables | {table: _recast(self.tables[table], columns)})

    @property
    def sessions(self) -> list[dt.date]:
        return self.predictions["session"].unique().sort().to_list()


def _recast(rows: pl.DataFrame, columns: dict[str, pl.Expr]) -> pl.DataFrame:
    return rows.with_columns(**columns).cast(dict(rows.schema))  # type: ignore[arg-type]


def idea_world(n: int = 90, symbols: int = 3, edge: float = 0.0, seed: int = 0) -> IdeaWorld:
    """Return ``n`` decided sessions; ``edge`` is the share of a session's volatility that the signal foretells."""
    rng = np.random.default_rng(seed)
    names = [f"S{number}" for number in range(symbols)]
    days = schedule().filter(pl.col("session") >= FIRST).head(WARM + n).select("session", "close_at")
    total = days.height
    signal = np.zeros((total, symbols))
    for t in range(1, total):
        signal[t] = 0.9 * signal[t - 1] + np.sqrt(1 - 0.9**2) * rng.standard_normal(symbols)
    sigma = 0.015
    returns = sigma * (edge * np.vstack([np.zeros(symbols), signal[:-1]]) + rng.standard_normal((total, symbols)))
    close = 100.0 * np.exp(np.cumsum(returns, axis=0))
    opened = np.vstack([close[:1], close[:-1]])
    reach = np.exp(0.3 * sigma * np.abs(rng.standard_normal((2, total, symbols))))
    keys = days.join(pl.DataFrame({"symbol": names}), how="cross", maintain_order="left")
    told = keys.with_columns(as_of="close_at", known_at="close_at", provider=pl.lit("made"), synthetic=pl.lit(True))

    def noise(scale: float = 1.0) -> pl.Series:
        return pl.Series(scale * rng.standard_normal(keys.height))

    bars = told.with_columns(
        ts="close_at", open=pl.Series(opened.ravel()), close=pl.Series(close.ravel()),
        high=pl.Series((np.maximum(opened, close) * reach[0]).ravel()),
        low=pl.Series((np.minimum(opened, close) / reach[1]).ravel()), volume=1e7, adjustment_factor=1.0,
    )  # fmt: skip
    matrix = told.with_columns(
        hedge_net_pressure=pl.Series(signal.ravel()), hedge_energy_asymmetry=noise(), hedge_dealer_gamma_sign=noise(),
        tech_momentum_zscore=noise(), liq_polr_direction=noise(), liq_orderbook_imbalance=noise(),
        liq_hvn_lvn_balance=noise(), liq_dark_pool_pressure=noise(), sent_bias=1, sent_strength=noise(),
        sent_composite_flow_bias=noise(), sent_retail_score=noise(),
    )  # fmt: skip
    elasticity = told.with_columns(
        sign_convention=pl.lit("naive"), charm_flow_usd_to_close=noise(1e6), vanna_flow_usd_volpt_down=noise(1e6),
        atm_iv_30d=0.25, vix=15.0, amplification=0.9, amplification_regime=pl.lit("damping"),
        hedge_movement_energy_up=pl.Series(rng.lognormal(0.0, 0.3, keys.height)),
        hedge_movement_energy_down=pl.Series(rng.lognormal(0.0, 0.3, keys.height)),
        stiffness_p10=1e9, stiffness_p90=2e9, gex_p_positive=0.97, movement_energy_confidence=0.9,
        movement_energy_is_proxy=False,
        dealer_positioning_is_proxy=False, charm_decay_is_proxy=False, vanna_flow_is_proxy=False,
    )  # fmt: skip
    liquidity = told.with_columns(
        liq_regime=pl.lit("Normal"), spread_bps=1.0, slippage_model_0_1pct_bps=1.0, adv_usd=1e9,
        structure_and_regime_is_proxy=False, order_book_imbalance_is_proxy=False, dark_pool_and_shorts_is_proxy=False,
    )  # fmt: skip
    sentiment = told.with_columns(
        fused=noise(0.3), technical_regime_is_proxy=False, flow_and_dark_pool_is_proxy=False, stocktwits_is_proxy=False
    )
    predictions = told.with_columns(
        horizon_bars=HORIZON, prediction_id=pl.concat_str("symbol", pl.col("session").cast(pl.String)),
        n_missing=0, feature_row_sha256=pl.lit("0" * 64), code_sha256=pl.lit("0" * 64), label_spec=pl.lit("made"),
        abstain_reason=pl.lit("no_model"), is_promoted=False, confidence=0.9,
    )  # fmt: skip
    made = {
        "features.matrix": matrix,
        "engines.elasticity": elasticity,
        "engines.liquidity": liquidity,
        "engines.sentiment": sentiment,
    }
    decided = days["session"][WARM]
    signals = keys.select("session", "symbol", signal=pl.Series(signal.ravel()))
    return IdeaWorld(
        as_table(predictions.filter(pl.col("session") >= decided), "models.predictions"),
        {name: as_table(rows, name) for name, rows in made.items()},
        as_table(bars, "raw.equity_bars"),
        _labels(keys, close, opened, days, WARM),
        signals,
    )


def _labels(keys: pl.DataFrame, close: np.ndarray, opened: np.ndarray, days: pl.DataFrame, first: int) -> pl.DataFrame:
    """Return what became of each decision, under the session in which it became known."""
    total, symbols = close.shape
    start = np.arange(first, total - HORIZON)
    gained = np.log(close[start + HORIZON] / opened[start + 1])
    names = keys["symbol"].head(symbols).to_list()
    rows = pl.DataFrame(
        {
            "signal_session": np.repeat(days["session"].to_numpy()[start], symbols),
            "session": np.repeat(days["session"].to_numpy()[start + HORIZON], symbols),
            "symbol": names * start.size,
            "y_ret": gained.ravel(),
            "y_dir": np.sign(gained).astype(np.int8).ravel(),
        }
    )
    at = days.rename({"close_at": "t0", "session": "signal_session"})
    end = days.rename({"close_at": "t1"})
    rows = rows.join(at, on="signal_session", how="left").join(end, on="session", how="left")
    rows = rows.with_columns(horizon_bars=HORIZON, known_at="t1", provider=pl.lit("made"), synthetic=True)
    return as_table(rows, "models.labels")
