"""What happened after the engine spoke: nightly tests that can prove it wrong, published whatever they say.

Outcome of a session is its absolute log return over what its volatility made expected, y = |r|/(sigma_d sqrt(2/pi)),
sigma_d as known the session before. Four tests over the outcomes of the last 504 sessions:

=========================== =========================================================== =====================
``range_on_amplification``  slope of y on ln A, amplification as said the session before     predicted: positive
``range_on_gamma_pressure`` slope of y on dealer gamma over average volume                  predicted: negative
``volatility_across_flip``  mean y below minus above the nearest zero-gamma spot            predicted: positive
``wall_hold_rate``          how often a touched wall holds to the close, minus how often a  predicted: positive
                            price as far away on the other side does
=========================== =========================================================== =====================

The regressions and the comparison across the flip have ln sigma_d as a control: an estimate of volatility reverts to
its mean, so y is large after it was low, and depth, and with it A, follows from the same sigma_d. Where volatility
wanders and dealers do nothing, the slope on A without it rejected "no effect" in 62 % of 300 simulated markets instead
of 5 %, with it in 7 %. The logarithm keeps a book that is nearly unstable, where A grows without bound, from deciding
the slope alone; near 1 it is A - 1.

Errors are those of Newey & West (1987) with floor(4 (n/100)^(2/9)) lags (Newey & West 1994) and n/(n - k).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import numpy as np
import polars as pl

from gnosis.engines.points import DailyBars, Floats, Integers, Panel, Points
from gnosis.engines.protocol import joined_reasons
from gnosis.options.arrays import frozen
from gnosis.options.origin import Providers, require_table
from gnosis.tables import TABLES
from gnosis.tables.engines.calibration import CALIBRATION_TESTS

WINDOW_SESSIONS = 504
LEAST_PAIRS = 63
TWO_SIDED_95 = 1.959963984540054
PREDICTED_SIGN = {
    "range_on_amplification": 1.0,
    "range_on_gamma_pressure": -1.0,
    "volatility_across_flip": 1.0,
    "wall_hold_rate": 1.0,
}
EXPECTED_OF_NORMAL = float(np.sqrt(2 / np.pi))


def newey_west_slope(x: Floats, y: Floats, control: Floats | None = None) -> tuple[float, float, float]:
    """Return slope, Newey-West standard error and partial R2 of y on x, beside a constant and maybe a control.

    Parameters
    ----------
    x, y, control
        Pairs in time order, shape (n,).

    Raises
    ------
    ValueError
        When there are fewer than 4 pairs or the arrays differ in length.

    Examples
    --------
    >>> x = np.arange(8.0)
    >>> slope, error, r_squared = newey_west_slope(x, 2 * x + np.array([1, -1, 1, -1, 1, -1, 1, -1]))
    >>> round(slope, 6), round(r_squared, 6)
    (1.904762, 0.952381)
    """
    from gnosis.engines import calibration_kernel

    shapes = [values.shape for values in (x, y, control) if values is not None]
    if len(set(shapes)) != 1 or x.size < 4:
        raise ValueError(f"expected arrays of one length, at least 4, found shapes {shapes}")
    given = (x, y, np.zeros(x.size) if control is None else control)
    first, second, third = (frozen(values, values.shape) for values in given)
    found: tuple[float, float, float] = calibration_kernel.slope(first, second, third)
    return found


def calibration(
    elasticity: pl.DataFrame, bars: pl.DataFrame, sessions: Collection[dt.date] | None = None
) -> pl.DataFrame:
    """Return the four tests for every symbol and convention at the sessions asked for.

    Parameters
    ----------
    elasticity
        Rows of ``engines.elasticity`` from 504 sessions before the first one asked for.
    bars
        Rows of ``raw.equity_bars`` of the same symbols from 505 sessions before.
    sessions
        Sessions to make; all of ``elasticity`` when None.

    Returns
    -------
    polars.DataFrame
        ``engines.calibration``. A test with fewer than 63 pairs, or whose predictor never
        varied, says ``too_few`` and has no estimate; otherwise the
        verdict follows from the 95 % interval. ``SHORT_HISTORY`` where the pairs are fewer than 504, in comparisons of
        sessions with and without a flip or a touched wall fewer than 63.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.

    Examples
    --------
    >>> calibration(TABLES["engines.elasticity"].empty(), TABLES["raw.equity_bars"].empty()).height
    0
    """
    require_table(elasticity, "engines.elasticity")
    require_table(bars, "raw.equity_bars")
    table = TABLES["engines.calibration"]
    made = [table.empty()]
    for convention in elasticity["sign_convention"].unique().sort():
        rows = elasticity.filter(pl.col("sign_convention") == convention)
        every = Points.of(rows.select("symbol", "session", "as_of"))
        rows = rows.sort("symbol", "session")
        wanted = np.ones(len(every), bool) if sessions is None else rows["session"].is_in(list(sessions)).to_numpy()
        # A session without a chain has nothing to say about the engine.
        if not wanted.any():
            continue
        made.append(
            _of_convention(rows, every, every.only(wanted), bars)
            .with_columns(sign_convention=pl.lit(convention))
            .pipe(_as_table)
        )
    return pl.concat(made).sort(table.key)


def _as_table(frame: pl.DataFrame) -> pl.DataFrame:
    schema = TABLES["engines.calibration"].polars_schema
    return frame.select(list(schema)).cast(schema)


def _of_convention(rows: pl.DataFrame, every: Points, points: Points, bars: pl.DataFrame) -> pl.DataFrame:
    from gnosis.engines import calibration_kernel

    daily = DailyBars(points, bars)
    origin = Providers(rows["provider"])
    first = int(every.position.min(initial=0))
    shape = (len(every.symbols), int(every.position.max(initial=0)) - first + 1)
    place = (every.symbol, every.position - first)
    known = {name: _placed(rows[name], shape, place) for name in _PREDICTIONS}
    column = points.position - first
    members = np.zeros(shape, np.int64)
    # One bit beyond the providers says that a row rests on generated data.
    members[place] = origin.members(rows["provider"]) | (rows["synthetic"].to_numpy().astype(np.int64) << 62)
    said_at = np.zeros(shape, np.int64)
    said_at[place] = every.as_of
    union = calibration_kernel.trailing_members(
        members, said_at, points.symbol, column, points.as_of, WINDOW_SESSIONS + 1
    )
    before = np.roll(said_at, 1, axis=1)
    log_sigma = np.roll(np.log(np.where(known["sigma_d"] > 0, known["sigma_d"], np.nan)), 1, axis=1)
    parts = []
    for test in CALIBRATION_TESTS:

        def found(panel: Panel, seen: Points, test: str = test) -> Floats:
            x, y = _pairs(test, known, _outcomes(panel, first, shape))
            control = np.zeros(shape) if test == "wall_hold_rate" else log_sigma
            out = np.empty((len(seen), 7))
            calibration_kernel.trailing_slopes(
                x, y, control, before, seen.symbol, seen.position - first, seen.as_of, WINDOW_SESSIONS, LEAST_PAIRS, out
            )
            return out

        values = daily.compute(found)
        parts.append(_rows(test, values, first))
    synthetic = pl.Series("synthetic", (union >> 62) & 1 == 1)
    told = points.frame.with_columns(
        known_at="as_of", provider=origin.joined(union & ((1 << 62) - 1)), synthetic=synthetic
    )
    return pl.concat([pl.concat([told, part], how="horizontal") for part in parts])


_PREDICTIONS = ("amplification", "hedge_gamma_pressure", "sigma_d", "spot", "nearest_flip", "call_wall", "put_wall")


def _placed(column: pl.Series, shape: tuple[int, int], place: tuple[Integers, Integers]) -> Floats:
    full = np.full(shape, np.nan)
    full[place] = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return full


def _outcomes(panel: Panel, first: int, shape: tuple[int, int]) -> dict[str, Floats]:
    """Return log high, low and close of each session, and what the session before has to say about prices."""
    wanted = np.arange(shape[1]) + first - panel.first

    def at(values: Floats, columns: Integers) -> Floats:
        found = np.full(shape, np.nan)
        inside = (columns >= 0) & (columns < values.shape[1])
        found[:, inside] = values[:, columns[inside]]
        return found

    with np.errstate(invalid="ignore", divide="ignore"):
        logs = {name: np.log(getattr(panel, name)) for name in ("high", "low", "close")}
    factor = panel.close / panel.traded_close
    return {name: at(values, wanted) for name, values in logs.items()} | {
        "previous": at(logs["close"], wanted - 1),
        "log_factor_before": np.log(at(factor, wanted - 1)),
    }


def _pairs(test: str, known: dict[str, Floats], outcome: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Return predictor and outcome by symbol and session of the outcome; the predictor is of the session before."""
    before = {name: np.roll(values, 1, axis=1) for name, values in known.items()}
    for values in before.values():
        values[:, 0] = np.nan
    expected = np.where(before["sigma_d"] > 0, before["sigma_d"], np.nan) * EXPECTED_OF_NORMAL
    surprise = np.abs(outcome["close"] - outcome["previous"]) / expected
    if test == "range_on_amplification":
        return np.log(before["amplification"])[..., None], surprise[..., None]
    if test == "range_on_gamma_pressure":
        return before["hedge_gamma_pressure"][..., None], surprise[..., None]
    if test == "volatility_across_flip":
        is_known = ~np.isnan(before["nearest_flip"])
        below = np.where(is_known, (before["spot"] < before["nearest_flip"]).astype(np.float64), np.nan)
        return below[..., None], surprise[..., None]
    return _walls(before, outcome)


def _walls(before: dict[str, Floats], outcome: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Return 1 for a wall and 0 for its placebo, and whether what was touched held; four pairs a session."""
    factor = outcome["log_factor_before"]
    log_spot = np.log(before["spot"]) + factor
    treated, held = [], []
    for wall in ("call_wall", "put_wall"):
        level = np.log(before[wall]) + factor
        for is_wall, price in ((1.0, level), (0.0, 2 * log_spot - level)):
            is_above = price > log_spot
            touched = np.where(is_above, outcome["high"] >= price, outcome["low"] <= price)
            holds = np.where(is_above, outcome["close"] < price, outcome["close"] > price)
            is_known = touched & ~np.isnan(price) & ~np.isnan(outcome["close"]) & (price != log_spot)
            treated.append(np.where(is_known, is_wall, np.nan))
            held.append(np.where(is_known, holds.astype(np.float64), np.nan))
    return np.stack(treated, axis=-1), np.stack(held, axis=-1)


def _rows(test: str, values: Floats, first: int) -> pl.DataFrame:
    from gnosis.engines import calibration_kernel
    from gnosis.sessions import schedule

    n = values[:, 0].astype(np.int64)
    estimate, error = values[:, 1], values[:, 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        t = estimate / np.where(error > 0, error, np.nan)
    low, high = estimate - TWO_SIDED_95 * error, estimate + TWO_SIDED_95 * error
    is_known = ~np.isnan(estimate)
    sign = PREDICTED_SIGN[test]
    is_predicted = np.where(sign > 0, low > 0, high < 0)
    is_against = np.where(sign > 0, high < 0, low > 0)
    verdict = np.where(
        ~is_known,
        "too_few",
        np.where(is_predicted, "as_predicted", np.where(is_against, "against_prediction", "no_effect")),
    )
    is_regression = test.startswith("range")
    calendar = schedule()["session"]
    has_first = values[:, 6] >= 0
    start = pl.Series(np.where(has_first, values[:, 6], 0).astype(np.int64) + first)
    columns: dict[str, Floats] = {
        "estimate": estimate,
        "standard_error": error,
        "t_statistic": t,
        "p_value": _two_sided(t),
        "interval_low": low,
        "interval_high": high,
        "r_squared": values[:, 3] if is_regression else np.full(n.size, np.nan),
        "mean_treated": np.where(is_known, values[:, 4], np.nan) if not is_regression else np.full(n.size, np.nan),
        "mean_reference": np.where(is_known, values[:, 5], np.nan) if not is_regression else np.full(n.size, np.nan),
    }
    reasons = joined_reasons({"SHORT_HISTORY": n < (WINDOW_SESSIONS if is_regression else LEAST_PAIRS)}, n.size)
    return pl.DataFrame(
        {
            "test": pl.Series([test] * n.size, dtype=pl.String),
            "first_session": pl.select(pl.when(pl.Series(has_first)).then(calendar.gather(start))).to_series(),
            "n": n,
            "lags": np.array([calibration_kernel.newey_west_lags(max(int(count), 1)) for count in n], dtype=np.int64),
            **{name: pl.Series(array, nan_to_null=True, dtype=pl.Float64) for name, array in columns.items()},
            "verdict": pl.Series(verdict, dtype=pl.String),
            "reasons": reasons,
        }
    )


def _two_sided(t: Floats) -> Floats:
    from scipy.special import erfc

    return np.asarray(erfc(np.abs(t) / np.sqrt(2)))
