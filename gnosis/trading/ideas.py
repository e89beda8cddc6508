"""Ideas: what to do from the next open, with what odds, how much of it, and which rows said so.

``decision_state`` -> votes -> ``compositions`` -> events -> simulations with calibrated odds -> sizes -> ideas; every
step a pure function of frames. Nothing decided for a session uses a row known after its ``as_of``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from gnosis.learning.triple_barrier import LOWER_WIDTH, UPPER_WIDTH
from gnosis.tables import TABLES
from gnosis.trading.compositions import compositions, with_bands
from gnosis.trading.decision_state import decision_state
from gnosis.trading.idea_record import IdeaRecord
from gnosis.trading.idea_rows import BEFORE, idea_rows, leg_rows, simulation_rows
from gnosis.trading.linear_candidates import DECISION, linear_candidates
from gnosis.trading.parameters import IdeaParameters
from gnosis.trading.path_forecasts import PathForecasts, path_forecasts
from gnosis.trading.policy_inputs import policy_inputs
from gnosis.trading.policy_votes import learned_votes, model_votes, risk_votes, votes
from gnosis.trading.price_paths import PathModel
from gnosis.trading.shrinkage import ShrinkageMap
from gnosis.trading.sized_ideas import sized, with_factors
from gnosis.trading.trailing import trailing_figures
from gnosis.trading.walk_forward import direction_outcomes

DAYS_PER_SESSION = 365.0 / 252.0
MADE = ("trades.ideas", "trades.policy_votes", "trades.compositions", "trades.simulations", "trades.legs")
DEFAULT_PARAMETERS = IdeaParameters()


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What was published for earlier sessions: rows of the tables of the same names."""

    votes: pl.DataFrame
    compositions: pl.DataFrame
    ideas: pl.DataFrame

    @classmethod
    def nothing(cls) -> Past:
        """Return a past without any session."""
        names = ("trades.policy_votes", "trades.compositions", "trades.ideas")
        return cls(*(TABLES[name].empty() for name in names))

    def ordered(self) -> Past:
        """Return the same rows by session and symbol."""
        votes = self.votes.sort("session", "symbol", "policy")
        return Past(votes, *(rows.sort("session", "symbol") for rows in (self.compositions, self.ideas)))


def ideas(
    predictions: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    bars: pl.DataFrame,
    labels: pl.DataFrame,
    past: Past,
    parameters: IdeaParameters = DEFAULT_PARAMETERS,
) -> dict[str, pl.DataFrame]:
    """Return the ideas of every session and symbol of the predictions, and the rows they are made from.

    Parameters
    ----------
    predictions
        Rows of ``models.predictions`` of the sessions to decide; those of the parameters' horizon are used.
    tables
        Rows of the tables of :data:`gnosis.trading.policy_inputs.READS`, with the history that
        :func:`gnosis.trading.decision_state.decision_state` asks for.
    bars
        Rows of ``raw.equity_bars`` up to the last session: from the first earlier idea on, and from
        :data:`gnosis.trading.path_forecasts.BARS_LOOKBACK_SESSIONS` sessions before the first decision.
    labels
        Rows of ``models.labels`` up to the last session.
    past
        What was published before.
    parameters
        Account, costs and limits.

    Returns
    -------
    dict of polars.DataFrame
        Rows of the tables of :data:`MADE`, each sorted by its key.

    Raises
    ------
    ValueError
        For predictions without the horizon of the parameters.

    Examples
    --------
    >>> from gnosis.trading.policy_inputs import READS
    >>> empty = {name: TABLES[name].empty() for name in READS}
    >>> rest = (TABLES[name].empty() for name in ("raw.equity_bars", "models.labels"))
    >>> ideas(TABLES["models.predictions"].empty(), empty, *rest, Past.nothing())["trades.ideas"].height
    0
    """
    chosen = _of_horizon(predictions, parameters)
    past = past.ordered()
    state = decision_state(chosen, tables)
    forecasts = path_forecasts(state, bars)
    outcomes = direction_outcomes(labels, parameters.horizon_bars)
    state = state.with_columns(is_unstable=_is_unstable())
    learned = learned_votes(policy_inputs(state), past.votes, outcomes, parameters.horizon_bars)
    cast = votes([learned, model_votes(chosen), risk_votes(state, parameters)])
    composed = _composed(cast, past, outcomes, state, parameters.horizon_bars)
    decided = _decided(state, composed, cast, forecasts, chosen, parameters)
    simulated = _simulated(decided, forecasts, bars, past.ideas, parameters)
    candidates = _validatable(simulated, parameters)
    book, found = sized(with_factors(candidates, parameters), forecasts, parameters)
    rows = idea_rows(decided, book, found, parameters)
    origin = state.select("session", "symbol", "as_of", "known_at", "provider", "synthetic")
    return {
        "trades.ideas": rows,
        "trades.policy_votes": _stored("trades.policy_votes", cast, origin, parameters),
        "trades.compositions": _stored(
            "trades.compositions", composed.join(rows.select("session", "symbol", "action"), on=["session", "symbol"]),
            origin, parameters,
        ),
        "trades.simulations": simulation_rows(book, rows, parameters),
        "trades.legs": leg_rows(rows, forecasts.rows),
    }  # fmt: skip


def _of_horizon(predictions: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    horizons = predictions["horizon_bars"].unique().sort().to_list()
    if horizons and parameters.horizon_bars not in horizons:
        raise ValueError(f"expected predictions with horizon_bars {parameters.horizon_bars}, found {horizons}")
    return predictions.filter(pl.col("horizon_bars") == parameters.horizon_bars).sort("session", "symbol")


def _is_unstable() -> pl.Expr:
    """Return whether movement energy or stiffness decide nothing about size; null inputs are unstable."""
    c = pl.col
    is_calm = (
        (c("hedge_movement_energy_up") > 0.0)
        & (c("hedge_movement_energy_down") > 0.0)
        & c("amplification").is_not_null()
        & (c("stiffness_p10") * c("stiffness_p90") > 0.0)
    )
    return ~is_calm.fill_null(False)


def _composed(
    cast: pl.DataFrame, past: Past, outcomes: pl.DataFrame, state: pl.DataFrame, horizon_bars: int
) -> pl.DataFrame:
    promoted = state.filter(pl.col("is_promoted").fill_null(False)).select("session", "symbol")
    found = with_bands(compositions(cast, past.votes, outcomes, promoted, horizon_bars), past.compositions)
    keys = state.select("session", "symbol", "as_of")
    found = keys.join(found, on=["session", "symbol"], how="left", maintain_order="left")
    now = found.select("session", "symbol", "disagreement", known_at="as_of")
    before = past.compositions.select("session", "symbol", "disagreement", known_at="as_of")
    rank = trailing_figures(pl.concat([before, now]), "disagreement", keys)["rank"]
    return found.drop("as_of").with_columns(disagreement_rank=rank)


def _decided(
    state: pl.DataFrame,
    composed: pl.DataFrame,
    cast: pl.DataFrame,
    forecasts: PathForecasts,
    predictions: pl.DataFrame,
    parameters: IdeaParameters,
) -> pl.DataFrame:
    """Return one row per symbol and session: its state, its odds, its event, or the reason why it has none."""
    key = ["session", "symbol"]
    risk = cast.filter(pl.col("policy") == "risk").select(
        *key, "policy_veto", "size_multiplier", risk_reasons="reasons"
    )
    model = predictions.select(
        *key, "p_up", "p_down", "prediction_id", "feature_row_sha256", edge=pl.col("p_up") - pl.col("p_down")
    )
    c, h = pl.col, parameters.horizon_bars
    voted = cast.filter((pl.col("policy") == "ml") & pl.col("p_up").is_not_null()).select(*key, has_model_vote=True)
    rows = (
        state.join(composed, on=key, how="left", maintain_order="left")
        .join(risk, on=key, how="left", maintain_order="left")
        .join(model, on=key, how="left", maintain_order="left")
        .join(voted, on=key, how="left", maintain_order="left")
        .join(forecasts.rows, on=key, how="left", maintain_order="left")
        .with_row_index("row")
    )
    per_year = h / 252.0
    rows = rows.with_columns(
        horizon_bars=pl.lit(h, pl.Int64),
        before=pl.coalesce(
            pl.when(c("z").is_null()).then(pl.lit("NO_VOTE")),
            pl.when(c("sigma_per_bar").is_null()).then(pl.lit("NO_VOLATILITY")),
            pl.when(c("slippage_model_0_1pct_bps").is_null()).then(pl.lit("NO_COST")),
            pl.when(~(c("adv_usd") > 0.0).fill_null(False)).then(pl.lit("NO_VOLUME")),
        ).cast(BEFORE),
        side=pl.when(c("p_dir") >= 0.5).then(1).otherwise(-1).cast(pl.Int8),
        voting_model=pl.when(c("has_model_vote")).then("model_version").otherwise(pl.lit("")),
        volatility_per_year=pl.coalesce("sigma_hat", c("sigma_per_bar") * math.sqrt(252.0)),
        entry_cost=(c("slippage_model_0_1pct_bps") + parameters.fee_bps) / 1e4,
        borrow_per_bar=(parameters.borrow_rate_per_year or 0.0) * per_year / h,
    )
    width = c("sigma_per_bar") * math.sqrt(h)
    gain = pl.when(c("side") > 0).then(UPPER_WIDTH).otherwise(LOWER_WIDTH)
    loss = pl.when(c("side") > 0).then(LOWER_WIDTH).otherwise(UPPER_WIDTH)
    rows = rows.with_columns(
        exit_cost=c("entry_cost"),
        structure=pl.when(c("side") > 0).then(pl.lit("shares_long")).otherwise(pl.lit("shares_short")),
        target_log=c("side") * gain * width,
        stop_log=-c("side") * loss * width,
    )
    absent = c("before").is_not_null()
    event = ("side", "structure", "target_log", "stop_log")
    rows = rows.with_columns(pl.when(~absent).then(name).alias(name) for name in event)
    return rows.with_columns(idea_id=_identifiers(rows, parameters))


def _identifiers(rows: pl.DataFrame, parameters: IdeaParameters) -> pl.Series:
    named = rows.select(
        pl.concat_str(
            "symbol",
            pl.col("as_of").dt.to_string("%Y-%m-%dT%H:%M:%S%.6f"),
            "horizon_bars",
            pl.col("structure").fill_null("none"),
            pl.col("target_log").fill_null(0.0).reinterpret(dtype=pl.Int64),
            pl.col("stop_log").fill_null(0.0).reinterpret(dtype=pl.Int64),
            "voting_model",
            pl.lit(parameters.sha256),
            separator="\n",
        )
    ).to_series()
    return pl.Series([hashlib.sha256(text.encode()).hexdigest() for text in named], dtype=pl.String)


def _simulated(
    decided: pl.DataFrame, forecasts: PathForecasts, bars: pl.DataFrame, past: pl.DataFrame, parameters: IdeaParameters
) -> pl.DataFrame:
    """Return the candidates with their simulations, evening by evening: each map rests on what had resolved by then."""
    rows = decided.filter(pl.col("before").is_null())
    earlier = past.filter(pl.col("p_raw").is_not_null(), pl.col("instrument") == "shares")
    record = IdeaRecord.of(earlier, rows, bars, parameters.horizon_bars)
    parts, done = [], earlier.height
    for evening in rows.partition_by("session", maintain_order=True):
        now = int(evening["as_of"].min().timestamp() * 1_000_000)  # type: ignore[union-attr]
        fitted = record.map_at(now)
        models: dict[str, PathModel] = {
            symbol: model
            for symbol, row in evening.select("symbol", "row").iter_rows()
            if (model := forecasts.models[row]) is not None
        }
        decisions = evening.select(
            "symbol", "as_of", "horizon_bars", "p_dir", "z_se", "sigma_per_bar", "entry_cost", "exit_cost",
            "borrow_per_bar", model_version="voting_model",
        ).select(list(DECISION))  # fmt: skip
        found = linear_candidates(decisions, models, parameters.n_pairs, [fitted] * evening.height)
        record.note(done, found)
        done += evening.height
        new = [name for name in found.columns if name not in evening.columns]
        suspended = record.suspended_at(evening["session"][0])
        veto = pl.when(pl.col("structure").is_in(suspended)).then(pl.lit("SUSPENDED"))
        with_veto = evening.with_columns(family_veto=veto)
        parts.append(pl.concat([with_veto, found.select(new), _map_columns(fitted, evening.height)], how="horizontal"))
    return pl.concat(parts) if parts else _no_simulation(rows, parameters)


def _no_simulation(rows: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    found = linear_candidates(pl.DataFrame(schema=DECISION), {}, parameters.n_pairs, [])
    new = [name for name in found.columns if name not in rows.columns]
    rows = rows.with_columns(family_veto=pl.lit(None, pl.String))
    return pl.concat([rows, found.select(new), _map_columns(ShrinkageMap(), 0)], how="horizontal")


def _map_columns(fitted: ShrinkageMap, n: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "map_intercept": np.full(n, fitted.intercept),
            "map_slope": np.full(n, fitted.slope),
            "map_n_ideas": np.full(n, fitted.n_ideas, dtype=np.int64),
        }
    )


def _validatable(simulated: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    """Return the candidates with everything that validation and caps ask for."""
    c = pl.col
    half_spread = c("spread_bps") / 2e4
    slippage = c("slippage_model_0_1pct_bps") / 1e4
    gross = c("gross_edge")
    fixed = 2.0 * (half_spread + parameters.fee_bps / 1e4)
    sigma_d = c("sigma_per_bar")
    return simulated.with_columns(
        candidate_id=c("idea_id"),
        policy_veto=pl.coalesce("policy_veto", "family_veto"),
        is_killed=pl.lit(False),
        spread_cost=2.0 * half_spread,
        impact_cost=2.0 * (slippage - half_spread),
        cost_estimate=c("entry_cost") + c("exit_cost"),
        capacity_usd=pl.when(gross > fixed)
        .then(c("adv_usd") * ((gross - fixed) / (2.0 * sigma_d)) ** 2)
        .otherwise(0.0),
        is_new=pl.lit(True),
        quote_age_minutes=(c("as_of") - c("bar_at")).dt.total_seconds() / 60.0,
        chain_age_minutes=pl.lit(None, pl.Float64),
        model_age_sessions=pl.lit(None, pl.Int64),
        is_quoted=pl.lit(None, pl.Boolean),
        stiffness_low=c("stiffness_p10"),
        stiffness_high=c("stiffness_p90"),
        is_short_gamma=pl.lit(False),
        liq_regime=c("liq_regime").cast(pl.String),
        risk=pl.lit("defined"),
        is_permitted=pl.lit(False),
        is_long_volatility=pl.lit(False),
        is_event_driven=pl.lit(False),
        days_exit_to_event=pl.lit(None, pl.Int64),
        open_ideas=_rank_of_edge(),
        legs=pl.lit(1, pl.Int64),
        needs_borrow=c("side") < 0,
        borrow_rate_per_year=pl.lit(parameters.borrow_rate_per_year, pl.Float64),
        opens_short_options=pl.lit(False),
        is_pin_window=pl.lit(False),
        drift_state=c("model_state").cast(pl.String),
        p_dealers_long_gamma=c("gex_p_positive"),
        delta_sign=c("side"),
        sector=pl.lit(None, pl.String),
        unit_usd=c("close_usd"),
        loss_per_notional=pl.lit(None, pl.Float64),
        margin_per_notional=pl.when(c("side") > 0).then(parameters.margin_long).otherwise(parameters.margin_short),
        lot_units=pl.lit(1, pl.Int64),
    )


def _rank_of_edge() -> pl.Expr:
    """Return the place of a candidate among the evening's by net edge, best first; those without edge come last."""
    return pl.col("net_edge").rank("ordinal", descending=True).over("session").cast(pl.Int64)


def _stored(name: str, rows: pl.DataFrame, origin: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    table = TABLES[name]
    whole = rows.join(origin, on=["session", "symbol"], how="left", maintain_order="left").with_columns(
        horizon_bars=pl.lit(parameters.horizon_bars, pl.Int64)
    )
    schema = table.polars_schema
    return whole.select(list(schema)).cast(schema).sort(table.key)
