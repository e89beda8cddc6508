"""Structure of traded volume and ranges, and how liquid the market is against its own last year."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnosis.engines.indicators import close_location, rolling_sum
from gnosis.engines.intraday_bars import SeenBars
from gnosis.engines.liquidity.impact_and_lambda import amihud_of
from gnosis.engines.liquidity.inputs import WINDOW, LiquidityInputs
from gnosis.engines.liquidity.known_bars import KnownBars
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.points import Floats, Integers, Panel, Points
from gnosis.engines.protocol import Bools, ProcessorResult
from gnosis.engines.regimes import WyckoffPhase
from gnosis.engines.trailing import YEAR, History, Series, least
from gnosis.engines.volume_profile import (
    BINS,
    HIGH_VOLUME,
    LOW_VOLUME,
    VolumeProfile,
    value_areas,
    volume_profiles,
)
from gnosis.engines.wyckoff import LAST_BARS, TEST_BARS, Range, wyckoff_phase
from gnosis.reasons import LEAST_SHARE, SURE

PROFILE_SESSIONS = 60
WYCKOFF_WINDOW = 120
NEAR = 0.10
MOST = 20
SQUEEZE_MOST = 120
EFFORT_BARS = 10
EFFORT = 0.5
GAP_IN_ATR = 0.5
FEWEST_COMPONENTS = 3
UNKNOWN = float(list(WyckoffPhase).index(WyckoffPhase.UNKNOWN))
CUTS = (0.8, 0.6, 0.4, 0.2)
"""Scores from which a market is Abundant, Normal, Thin, Stressed; below it is in Crisis."""


def liquidity_score(*ranks: Floats) -> Floats:
    """Return 1 minus the mean of the known percentile ranks of costs, at least three of them.

    Examples
    --------
    >>> liquidity_score(np.array([0.2, 0.2]), np.array([0.4, np.nan]), np.array([0.6, 0.6])).round(12).tolist()
    [0.6, nan]
    """
    known, total = np.zeros(ranks[0].shape), np.zeros(ranks[0].shape)
    for rank in ranks:
        is_known = ~np.isnan(rank)
        known += is_known
        total += np.where(is_known, rank, 0.0)
    return np.where(known >= FEWEST_COMPONENTS, 1.0 - total / np.maximum(known, 1), np.nan)


def score_regime(score: Floats) -> Floats:
    """Return the position in :class:`gnosis.engines.regimes.LiquidityRegime` of each score.

    Examples
    --------
    >>> score_regime(np.array([0.8, 0.79, 0.1, np.nan])).tolist()
    [0.0, 1.0, 4.0, nan]
    """
    code = np.where(np.isnan(score), np.nan, 0.0)
    for cut in CUTS:
        code += score < cut
    return code


def distance_to_cut(score: Floats) -> Floats:
    """Return how far each score is from the nearest cut of its regime.

    Examples
    --------
    >>> distance_to_cut(np.array([0.8, 0.75])).round(12).tolist()
    [0.0, 0.05]
    """
    nearest = np.abs(score - CUTS[0])
    for cut in CUTS[1:]:
        nearest = np.minimum(nearest, np.abs(score - cut))
    return nearest


def process(
    inputs: LiquidityInputs,
    history: History,
    parameters: LiquidityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return structure, score and regime at every point; reads SlippageField and ImpactAndLambda.

    The profile is that of 5-minute bars where most of those of 60 sessions are there, else of daily bars. The
    confidence is min(1, n/252) x (0.7 x share of the expected 5-minute bars + 0.3 x share of the daily bars), n the
    sessions with rows, the point's own among them.
    """
    del parameters
    covered = np.zeros(len(inputs.points))
    if inputs.intraday5 is not None:
        covered = inputs.intraday5.coverage(PROFILE_SESSIONS)
    daily = inputs.daily_coverage(PROFILE_SESSIONS)
    found = inputs.bars.compute_all(daily_structure)
    values = {name: found[name] for name in found if name.startswith("liq_")}
    is_intraday = covered >= LEAST_SHARE
    if is_intraday.any():
        shape = profile_structure(_intraday_profile(inputs, is_intraday), found["close"], found["atr14"])
        values |= {name: np.where(is_intraday, shape[name], values[name]) for name in shape}
    ranks = [
        history.series(name, np.asarray(earlier[processor].values[name])).percentile_rank()
        for processor, name in (("slippage_field", "liq_friction_cost"), ("impact_and_lambda", "liq_kyle_lambda"))
    ]
    score = liquidity_score(*ranks, found["amihud_rank"], found["scarcity_rank"])
    sessions = history.sessions(YEAR - 1) + 1
    values |= {
        "liq_score": score,
        "liq_regime": score_regime(score),
        "liq_polr_strength": np.abs(values["liq_polr_direction"]) * score,
    }
    return ProcessorResult(
        values,
        np.minimum(1.0, sessions / YEAR) * (0.7 * covered + 0.3 * daily),
        {
            "NO_INTRADAY": covered == 0.0,
            "SOURCE_MISSING": (covered > 0.0) & (covered < SURE),
            "SHORT_HISTORY": (sessions < YEAR) | (daily < 1.0),
            "UNDEFINED": _is_without_volume(values, found["atr14"]),
        },
        covered < LEAST_SHARE,
    )


def _is_without_volume(values: Mapping[str, Floats], atr14: Floats) -> Bools:
    """Return where there is a profile, but no volume in it that a ratio of two sides compares."""
    balance, direction = np.isnan(values["liq_hvn_lvn_balance"]), np.isnan(values["liq_polr_direction"])
    return ~np.isnan(values["liq_n_absorption_zones"]) & (balance | (direction & ~np.isnan(atr14)))


def profile_structure(profile: VolumeProfile, close: Floats, atr14: Floats) -> dict[str, Floats]:
    """Return zones, balance and direction of least resistance by the volume profile of each point.

    Parameters
    ----------
    profile
        One window per point.
    close, atr14
        $ in the prices of the profile, shape (points,).

    Returns
    -------
    dict
        Columns of ``engines.liquidity``; NaN where the profile or the close is unknown.

    Raises
    ------
    ValueError
        When there are more than 62 bins.

    Examples
    --------
    >>> profile = VolumeProfile(np.array([[9.0, 1.0, 4.0, 4.0, 1.0, 9.0]]), np.array([97.0]), np.array([103.0]))
    >>> found = profile_structure(profile, np.array([100.0]), np.array([2.0]))
    >>> {name.removeprefix("liq_"): value.item() for name, value in found.items()}
    {'n_absorption_zones': 2.0, 'n_displacement_zones': 2.0, 'hvn_lvn_balance': 0.0, 'polr_direction': 0.0}
    """
    from gnosis.engines.liquidity.profile_shape_kernel import MOST_BINS, shapes

    if profile.volume.shape[1] > MOST_BINS:
        raise ValueError(f"profile: expected at most {MOST_BINS} bins, found {profile.volume.shape[1]}: use fewer")
    volume = np.ascontiguousarray(profile.volume)
    return _structure(*shapes(volume, profile.low, profile.high, close, atr14, HIGH_VOLUME, LOW_VOLUME, NEAR))


def _structure(
    near: Floats, thin: Floats, heavy_below: Floats, heavy: Floats, down: Floats, below: Floats, up: Floats
) -> dict[str, Floats]:
    """Return the columns of :func:`profile_structure` from the measures of the profiles."""
    return {
        "liq_n_absorption_zones": np.minimum(near, MOST),
        "liq_n_displacement_zones": np.minimum(thin, MOST),
        "liq_hvn_lvn_balance": _balance(heavy_below, heavy - heavy_below),
        "liq_polr_direction": np.tanh(2.0 * _balance(below - down, up - below)),
    }


def volume_below(profile: VolumeProfile, price: Floats) -> Floats:
    """Return the volume below a price of each window, spread evenly within the bins.

    Examples
    --------
    >>> profile = VolumeProfile(np.array([[10.0, 20.0]]), np.array([100.0]), np.array([102.0]))
    >>> volume_below(profile, np.array([101.5])).tolist()
    [20.0]
    """
    bins = profile.volume.shape[1]
    width = profile.high - profile.low
    place = np.clip((price - profile.low) / np.where(width > 0.0, width, np.nan) * bins, 0.0, bins)
    below = np.concatenate([np.zeros((len(place), 1)), np.cumsum(profile.volume, axis=1)], axis=1)
    edge, window = np.nan_to_num(place).astype(np.int64), np.arange(len(place))
    whole, upper = below[window, edge], below[window, np.minimum(edge + 1, bins)]
    return whole + (upper - whole) * (place - edge)


def _balance(a: Floats, b: Floats) -> Floats:
    """Return (a - b)/(a + b), NaN where both are 0."""
    total = a + b
    return np.clip((a - b) / np.where(total > 0.0, total, np.nan), -1.0, 1.0)


def _intraday_profile(inputs: LiquidityInputs, wanted: np.ndarray) -> VolumeProfile:
    """Return the profiles of 5-minute bars of the wanted points; unknown for the others."""
    assert inputs.intraday5 is not None

    def of(seen: SeenBars, panel: Panel) -> dict[str, Floats]:
        factor = seen.factor(panel)
        # Without its volume or its factor a bar has no place in the profile.
        bars = KnownBars.of(seen.low * factor, seen.high * factor, seen.volume / factor)
        starts, ends = bars.places(*seen.last(PROFILE_SESSIONS))
        found = volume_profiles(bars.low, bars.high, bars.volume, starts, np.where(wanted[seen.at], ends, starts))
        return {"volume": found.volume, "low": found.low, "high": found.high}

    found = inputs.intraday5.compute_with(inputs.bars, of)
    return VolumeProfile(found["volume"], found["low"], found["high"])


def daily_structure(panel: Panel, points: Points) -> dict[str, Floats]:
    """Return the features of daily bars, and what the others need of them."""
    from gnosis.engines.liquidity.profile_shape_kernel import shapes_of_bars
    from gnosis.engines.liquidity.structure_kernel import closes_inside, open_gaps

    symbol, column = points.symbol, points.position - panel.first
    high, low, close, volume = panel.high, panel.low, panel.close, panel.adjusted_volume

    def at(values: Floats, lag: int = 0) -> Floats:
        return panel.at(points, values, lag)

    def series(values: Floats) -> Series:
        return Series(values, symbol, column, at(values))

    atr14, bands = panel.atr14, panel.bollinger
    compression = 1.0 - series(bands.bandwidth).percentile_rank(YEAR)
    middle, reach = panel.ema20, 1.5 * panel.atr20
    is_squeeze = (bands.upper < middle + reach) & (bands.lower > middle - reach)
    run = squeeze_sessions(np.where(np.isnan(bands.upper + middle + reach), np.nan, is_squeeze), symbol, column)
    usual = _mean_before(volume)
    relative = volume / np.where(usual > 0.0, usual, np.nan)
    location = close_location(high, low, close)
    total = at(rolling_sum(volume, EFFORT_BARS))
    efforts = {
        name: at(rolling_sum(np.where(np.isnan(location), np.nan, volume * chosen), EFFORT_BARS))
        for name, chosen in (("liq_buying_effort", location > EFFORT), ("liq_selling_effort", location < -EFFORT))
    }
    own_close, own_atr = at(close), at(atr14)
    bars = KnownBars.of(*(np.ravel(side) for side in (low, high, volume)))
    first = symbol * close.shape[1]
    shape = shapes_of_bars(
        *bars.windows(first, column, PROFILE_SESSIONS, 0, least(PROFILE_SESSIONS)), BINS, own_close, own_atr,
        HIGH_VOLUME, LOW_VOLUME, NEAR,
    )  # fmt: skip

    def range_without(last: int, some: Integers | slice) -> Range:
        return Range(
            *value_areas(*bars.windows(first[some], column[some], WYCKOFF_WINDOW, last, WYCKOFF_WINDOW - last))
        )

    area = range_without(LAST_BARS, slice(None))
    phase = wyckoff_phase(
        high, low, close, volume, symbol, column,
        window=WYCKOFF_WINDOW, edges=area, earlier_edges=lambda some: range_without(TEST_BARS, some),
        reach=at(atr14, LAST_BARS),
    )  # fmt: skip
    # Without any volume in the window of the earlier edges there are none.
    phase[at(rolling_sum(volume, WYCKOFF_WINDOW - TEST_BARS), TEST_BARS) == 0.0] = UNKNOWN
    inside = closes_inside(close, symbol, column, area.low, area.high, WYCKOFF_WINDOW) / WYCKOFF_WINDOW
    amihud = series(amihud_of(panel))
    adv_usd = _mean_before(panel.traded_close * panel.volume)
    return _structure(*shape) | {
        "close": own_close,
        "atr14": own_atr,
        "amihud": amihud.values,
        "amihud_rank": amihud.percentile_rank(YEAR),
        "scarcity_rank": series(1.0 / np.where(adv_usd > 0.0, adv_usd, np.nan)).percentile_rank(YEAR),
        "liq_n_voids": open_gaps(
            high, low, close, symbol, column, GAP_IN_ATR * own_atr, PROFILE_SESSIONS, NEAR, MOST
        ),
        "liq_compression_energy": compression,
        "liq_expansion_energy": compression * run / 20.0,
        "liq_volume_strength": series(relative).percentile_rank(PROFILE_SESSIONS),
        **{name: effort / np.where(total > 0.0, total, np.nan) for name, effort in efforts.items()},
        "liq_wyckoff_phase": phase,
        "liq_wyckoff_energy": np.where(np.isnan(area.low), np.nan, inside) * compression,
    }  # fmt: skip


def squeeze_sessions(is_squeeze: Floats, symbol: Integers, column: Integers) -> Floats:
    """Return the number of sessions in a row, up to each point's own, in which the bands lay inside; at most 120.

    Parameters
    ----------
    is_squeeze
        1, 0 or NaN, shape (symbols, sessions).
    symbol, column
        Row and column of each point.

    Returns
    -------
    numpy.ndarray
        NaN where the run begins with an unknown session before 120 are counted.

    Examples
    --------
    >>> squeeze_sessions(np.array([[0.0, 1.0, 1.0, 0.0]]), np.array([0, 0]), np.array([2, 3])).tolist()
    [2.0, 0.0]
    """
    place = np.arange(is_squeeze.shape[1])
    stop = np.maximum.accumulate(np.where(is_squeeze == 1.0, -1, place), axis=1)[symbol, column]
    length = np.minimum(column - stop, SQUEEZE_MOST)
    before = np.where(stop >= 0, is_squeeze[symbol, np.maximum(stop, 0)], np.nan)
    return np.where((length < SQUEEZE_MOST) & np.isnan(before), np.nan, length)


def _mean_before(values: Floats) -> Floats:
    """Return the mean of the 20 sessions before each, NaN with fewer than 10 of them."""
    symbol, column = (place.reshape(-1) for place in np.indices(values.shape))
    return Series(values, symbol, column, values.reshape(-1)).mean(WINDOW).reshape(values.shape)
