"""Ideas: what to hold from the next open, how much of it, and why, from predictions and the state of elasticity.

Nothing decided here uses a row known after the ``as_of`` of its prediction: a bar or an elasticity row that was known
only later counts as missing, and so does a trailing figure with such a row in its window.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from gnosis.trading.parameters import IdeaParameters
from gnosis.trading.rationale import rationale
from gnosis.trading.trailing import VOLATILITY_RETURNS, trailing_sigma_d

SESSIONS_PER_YEAR = 252
MAX_WINDOW_DAYS = 45
DEGRADED_SCALE = 0.5
"""Size while the model in force is degraded by drift."""
BARS_LOOKBACK_SESSIONS = 40
"""Sessions of ``raw.equity_bars`` read before a prediction: a window of 45 days ending on a bar up to 7 days old."""


DEFAULT_PARAMETERS = IdeaParameters()
ENERGY_LOOKBACK_SESSIONS = DEFAULT_PARAMETERS.energy_sessions
"""Sessions of ``engines.elasticity`` that the default parameters read before a prediction."""


def ideas(
    predictions: pl.DataFrame,
    elasticity: pl.DataFrame,
    bars: pl.DataFrame,
    parameters: IdeaParameters = DEFAULT_PARAMETERS,
) -> pl.DataFrame:
    """Return one idea per session and symbol of the predictions.

    ``target_weight = side x share x volatility scale x energy scale x model scale``, limited to ``max_weight``: the
    share is one over the number of predicted symbols of the session, the volatility scale is target volatility over the
    symbol's (``sigma_d sqrt(252)``), capped, the energy scale is the trailing median of movement energy over today's,
    between ``min_energy_scale`` and 1, and the model scale is one half while the model is degraded by drift. Size does
    not depend on the edge beyond its threshold. The first veto that applies counts: no_prediction, stale_model,
    no_volatility, storm, low_confidence, no_edge.

    Parameters
    ----------
    predictions
        Rows of ``models.predictions``.
    elasticity
        Rows of ``engines.elasticity`` with the history for the median; those of the ``naive`` convention are used.
    bars
        Rows of ``raw.equity_bars`` from :data:`BARS_LOOKBACK_SESSIONS` sessions before the first prediction on.
    parameters
        Thresholds and limits.

    Returns
    -------
    polars.DataFrame
        Rows of ``trades.ideas``, sorted by session and symbol; ``known_at`` is the latest of the inputs used.

    Raises
    ------
    ValueError
        For missing columns, duplicate keys, or predictions of several horizons without a choice.

    Examples
    --------
    >>> tables = [TABLES[name].empty() for name in ("models.predictions", "engines.elasticity", "raw.equity_bars")]
    >>> ideas(*tables, IdeaParameters()).height
    0
    """
    chosen = _one_horizon(predictions, parameters)
    _require(elasticity, "engines.elasticity")
    _require(bars, "raw.equity_bars")
    naive = elasticity.filter(pl.col("sign_convention") == "naive")
    joined = _with_volatility(chosen, bars, parameters)
    joined = _with_elasticity(joined, naive, parameters)
    return _decide(joined, parameters)


def _require(frame: pl.DataFrame, name: str) -> None:
    table = TABLES[name]
    if missing := [column for column in table.polars_schema if column not in frame.columns]:
        raise ValueError(f"expected the columns of {name}, missing {missing}")
    if (n := frame.select(table.key).is_duplicated().sum()) > 0:
        raise ValueError(f"expected one row per {table.key} in {name}, found {n} rows that share a key")


def _one_horizon(predictions: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    _require(predictions, "models.predictions")
    horizons = predictions["horizon_bars"].unique().sort().to_list()
    wanted = parameters.horizon_bars
    if wanted is None and len(horizons) > 1:
        raise ValueError(f"expected predictions of one horizon, found {horizons}: choose one as horizon_bars")
    if wanted is not None and horizons and wanted not in horizons:
        raise ValueError(f"expected predictions with horizon_bars {wanted}, found {horizons}")
    return predictions if wanted is None else predictions.filter(pl.col("horizon_bars") == wanted)


def _with_volatility(rows: pl.DataFrame, bars: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    """Add sigma_d of the last bar that was known with its whole window at ``as_of``."""
    window = VOLATILITY_RETURNS + 1

    def over_window(flag: pl.Expr) -> pl.Expr:
        return flag.cast(pl.Int8).rolling_max(window, min_samples=1).over("symbol") > 0

    ordered = bars.sort("symbol", "session")
    adjusted = (ordered["close"] * ordered["adjustment_factor"]).to_numpy()
    sigma_d = trailing_sigma_d(adjusted, ordered["symbol"].rle_id().cast(pl.Int64).to_numpy())
    volatility = (
        ordered.with_columns(sigma_d=pl.Series(sigma_d).fill_nan(None))
        .select(
            "symbol",
            # A window stretched over gaps would reach back without limit.
            sigma_d=pl.when(
                pl.col("session") - pl.col("session").shift(VOLATILITY_RETURNS).over("symbol")
                <= pl.duration(days=MAX_WINDOW_DAYS)
            ).then("sigma_d"),
            bar_session="session",
            bar_known_at=_rolling_known_at(window),
            bar_provider=_providers(bars, over_window),
            bar_synthetic=over_window(pl.col("synthetic")),
        )
        .sort("bar_known_at", "bar_session")
    )
    found = rows.sort("as_of").join_asof(
        volatility,
        left_on="as_of",
        right_on="bar_known_at",
        by="symbol",
        strategy="backward",
        coalesce=False,
        check_sortedness=False,
    )
    is_fresh = (pl.col("session") - pl.col("bar_session")).dt.total_days() <= parameters.max_bar_age_days
    return found.with_columns(sigma_d=pl.when(is_fresh).then("sigma_d"))


def _rolling_known_at(window: int) -> pl.Expr:
    latest = pl.col("known_at").dt.epoch("us").rolling_max(window, min_samples=1).over("symbol")
    return pl.from_epoch(latest, time_unit="us").dt.replace_time_zone("UTC")


def _with_elasticity(rows: pl.DataFrame, elasticity: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    """Add today's state and the median of movement energy over the exchange sessions before."""
    energy, position = pl.col("hedge_movement_energy"), "position"
    window = f"{parameters.energy_sessions}i"
    latest = pl.col("known_at").dt.epoch("us").rolling_max_by(position, window, closed="both").over("symbol")
    has_median = pl.col("energy_median").is_not_null()

    def over_window(flag: pl.Expr) -> pl.Expr:
        return flag.cast(pl.Int8).rolling_max_by(position, window, closed="both").over("symbol") > 0

    sessions = schedule().select("session").with_row_index(position).with_columns(pl.col(position).cast(pl.Int64))
    state = (
        elasticity.join(sessions, on="session", how="inner")
        .sort("symbol", "session")
        .with_columns(
            energy_median=energy.rolling_median_by(
                position, window, closed="left", min_samples=parameters.energy_min_sessions
            ).over("symbol"),
            n_energies=energy.is_not_null()
            .cast(pl.Int64)
            .rolling_sum_by(position, window, closed="left")
            .over("symbol"),
            median_known_at=pl.from_epoch(latest, time_unit="us").dt.replace_time_zone("UTC"),
            median_provider=_providers(elasticity, over_window),
            median_synthetic=over_window(pl.col("synthetic")),
        )
        .select(
            "session",
            "symbol",
            "hedge_movement_energy",
            "energy_median",
            "n_energies",
            "median_known_at",
            "median_provider",
            "median_synthetic",
            "amplification_regime",
            elasticity_confidence="movement_energy_confidence",
            elasticity_known_at="known_at",
            elasticity_provider="provider",
            elasticity_synthetic="synthetic",
        )
    )
    joined = rows.join(state, on=["session", "symbol"], how="left")
    used = [name for name in state.columns if name not in ("session", "symbol")]
    is_known = pl.col("elasticity_known_at") <= pl.col("as_of")
    joined = joined.with_columns([pl.when(is_known).then(pl.col(name)).alias(name) for name in used])
    return joined.with_columns(
        energy_median=pl.when(pl.col("median_known_at") <= pl.col("as_of")).then("energy_median")
    ).with_columns(
        elasticity_provider=pl.when(has_median).then("median_provider").otherwise("elasticity_provider"),
        elasticity_synthetic=pl.when(has_median).then("median_synthetic").otherwise("elasticity_synthetic"),
    )


def _providers(rows: pl.DataFrame, over_window: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """Return the providers that occur in the window of each row, joined by '+'."""
    names = rows["provider"].str.split("+").explode().drop_nulls().unique().sort()
    listed = pl.col("provider").str.split("+")
    used = [pl.when(over_window(listed.list.contains(name))).then(pl.lit(name)) for name in names]
    return pl.concat_str(used or [pl.lit(None, pl.String)], separator="+", ignore_nulls=True)


def _decide(rows: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    schema = TABLES["trades.ideas"].polars_schema
    low = parameters.min_energy_scale
    edge = pl.col("p_up") - pl.col("p_down")
    is_stale = pl.col("model_state").cast(pl.String).eq_missing("stale")
    is_degraded = pl.col("model_state").cast(pl.String).eq_missing("degraded")
    confidence = pl.col("elasticity_confidence").fill_null(0.0 if parameters.requires_elasticity else 1.0)
    frame = rows.with_columns(
        edge=edge,
        veto=pl.when(edge.is_null())
        .then(pl.lit("no_prediction"))
        .when(is_stale)
        .then(pl.lit("stale_model"))
        .when(pl.col("sigma_d").is_null() | (pl.col("sigma_d") <= 0))
        .then(pl.lit("no_volatility"))
        .when(pl.col("amplification_regime") == "storm")
        .then(pl.lit("storm"))
        .when(confidence < parameters.confidence_floor)
        .then(pl.lit("low_confidence"))
        .when(edge.abs() <= parameters.edge_threshold)
        .then(pl.lit("no_edge")),
        volatility_per_year=pl.col("sigma_d") * math.sqrt(SESSIONS_PER_YEAR),
        share=1 / pl.len().over("session"),
        # No work to move the price, or an unknown work, says nothing: the size stays.
        energy_ratio=pl.when(pl.col("hedge_movement_energy") > 0).then(
            pl.col("energy_median") / pl.col("hedge_movement_energy")
        ),
    ).with_columns(
        side=pl.when(pl.col("veto").is_not_null())
        .then(pl.lit("flat"))
        .when(pl.col("edge") > 0)
        .then(pl.lit("long"))
        .otherwise(pl.lit("short")),
        volatility_scale=pl.when(pl.col("sigma_d") > 0).then(
            pl.min_horizontal(
                parameters.target_volatility_per_year / pl.col("volatility_per_year"), parameters.max_volatility_scale
            )
        ),
        energy_scale=pl.col("energy_ratio").clip(low, 1.0).fill_null(1.0),
        model_scale=pl.when(is_degraded).then(DEGRADED_SCALE).otherwise(1.0),
    )
    size = pl.col("share") * pl.col("volatility_scale") * pl.col("energy_scale") * pl.col("model_scale")
    sign = pl.col("side").replace_strict({"long": 1.0, "flat": 0.0, "short": -1.0}, return_dtype=pl.Float64)
    return (
        frame.with_columns(target_weight=(sign * size.clip(upper_bound=parameters.max_weight)).fill_null(0.0))
        .with_columns(rationale=rationale(parameters), **_origin())
        .select(list(schema))
        .cast(schema)
        .sort("session", "symbol")
    )


def _origin() -> dict[str, pl.Expr]:
    names = pl.concat_list(
        [pl.col(name).str.split("+").fill_null([]) for name in ("provider", "bar_provider", "elasticity_provider")]
    )
    return {
        "known_at": pl.max_horizontal(
            "known_at",
            "bar_known_at",
            "elasticity_known_at",
            pl.when(pl.col("energy_median").is_not_null()).then("median_known_at"),
        ),
        "provider": names.list.unique().list.sort().list.join("+"),
        "synthetic": pl.any_horizontal(
            pl.col("synthetic"),
            pl.col("bar_synthetic").fill_null(False),
            pl.col("elasticity_synthetic").fill_null(False),
        ),
    }
