"""Features and labels with a planted relation: what a model must find, and what it must not."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.simulate.draws import stream
from gnosis.simulate.volatility import persistent_factor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Edge = Literal["none", "linear", "interaction", "regime", "leak", "drift"]

REGIME_PERSISTENCE = 0.98


@dataclass(frozen=True)
class EdgeTruth:
    """What was planted.

    Attributes
    ----------
    edge
        Kind of relation.
    ic
        Correlation of ``signal`` with the label; 0 without an edge.
    features
        Names of the columns that carry the relation.
    drift_session, drift_shift
        First session of the drifted feature and its shift in standard deviations (``drift`` only).
    """

    edge: Edge
    ic: float
    features: tuple[str, ...]
    drift_session: dt.date | None = None
    drift_shift: float = 0.0


@dataclass(frozen=True)
class EdgeMarket:
    """Features and labels of one planted relation.

    Attributes
    ----------
    frame
        One row per session and symbol, sorted: ``session``, ``symbol``, ``as_of`` (close), ``x01`` .. (features known
        at ``as_of``), ``signal`` (the best predictor, for tests only), ``label`` (standardised return of the next
        session), ``label_known_at`` (next close), ``provider``, ``synthetic``.
    truth
        What was planted.
    """

    frame: pl.DataFrame
    truth: EdgeTruth


def edge_market(
    edge: Edge,
    symbols: Sequence[str],
    sessions: Sequence[dt.date],
    seed: int,
    ic: float = 0.05,
    feature_count: int = 10,
    drift_session: dt.date | None = None,
    drift_shift: float = 1.5,
) -> EdgeMarket:
    """Return a market of features with one planted relation to the next session's return.

    All features are standard normal; odd ones are persistent (0.9 a session), even ones are not. The label is
    ``ic x signal + sqrt(1 - ic^2) x noise`` with a signal of unit variance:

    ============  ==================================================================================
    none          no relation
    linear        signal = x01
    interaction   signal = x01 x02; neither correlates with the label alone
    regime        signal = x01 in one hidden state, -x01 in the other; x03 > 0 tells the state
    leak          no relation, but x02 is the label itself plus noise: a feature that reads the future
    drift         signal = x01, and x05 is shifted from ``drift_session`` on
    ============  ==================================================================================

    Parameters
    ----------
    edge
        Kind of relation.
    symbols, sessions
        Rows; each symbol has its own streams, run from the first session of the calendar.
    seed
        Integer >= 0.
    ic
        Planted information coefficient, |ic| < 1; ignored for ``none`` and ``leak``.
    feature_count
        Number of features, at least 5.
    drift_session, drift_shift
        Needed for ``drift``: when and by how many standard deviations.

    Returns
    -------
    EdgeMarket

    Raises
    ------
    ValueError
        For an unknown edge or settings outside their range.

    Examples
    --------
    >>> from gnosis.sessions import sessions_between
    >>> days = sessions_between(dt.date(2010, 1, 4), dt.date(2012, 12, 31))
    >>> world = edge_market("linear", ["A", "B", "C"], days, seed=1, ic=0.1)
    >>> world.frame.height, round(float(world.frame.select(pl.corr("x01", "label")).item()), 3)
    (2262, 0.103)
    """
    _check(edge, symbols, sessions, ic, feature_count, drift_session)
    calendar = schedule().with_columns(label_known_at=pl.col("close_at").shift(-1)).with_row_index("ordinal")
    days = calendar.filter(pl.col("session").is_in(pl.Series(sessions).implode()))
    kept = days["ordinal"].to_numpy()
    length = int(kept.max()) + 1
    parts = []
    for symbol in sorted(symbols):
        draws = [stream(seed, "edge.feature", symbol, n).standard_normal(length) for n in range(feature_count)]
        features = [persistent_factor(d, 0.9) if n % 2 == 0 else d for n, d in enumerate(draws)]
        if edge == "regime":
            features[2] = persistent_factor(draws[2], REGIME_PERSISTENCE)
        noise = stream(seed, "edge.label", symbol).standard_normal(length)
        signal = _signal(edge, features)
        weight = 0.0 if edge in ("none", "leak") else ic
        label = weight * signal + np.sqrt(1 - weight**2) * noise
        if edge == "leak":
            features[1] = (label + 0.5 * features[1]) / np.sqrt(1.25)
        if edge == "drift" and drift_session is not None:
            is_late = (calendar["session"][:length] >= drift_session).to_numpy()
            features[4] = features[4] + drift_shift * is_late
        columns = {f"x{n:02d}": values[kept] for n, values in enumerate(features, start=1)}
        parts.append(
            days.select("session", pl.lit(symbol).alias("symbol"), as_of="close_at").with_columns(
                *(pl.Series(name, values) for name, values in columns.items()),
                signal=signal[kept],
                label=label[kept],
                label_known_at=days["label_known_at"],
            )
        )
    frame = pl.concat(parts).with_columns(provider=pl.lit("simulate"), synthetic=pl.lit(True))
    carriers: dict[Edge, tuple[str, ...]] = {
        "none": (),
        "linear": ("x01",),
        "interaction": ("x01", "x02"),
        "regime": ("x01", "x03"),
        "leak": ("x02",),
        "drift": ("x01",),
    }
    truth = EdgeTruth(
        edge,
        0.0 if edge in ("none", "leak") else ic,
        carriers[edge],
        drift_session if edge == "drift" else None,
        drift_shift if edge == "drift" else 0.0,
    )
    return EdgeMarket(frame.sort("session", "symbol"), truth)


def _signal(edge: Edge, features: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    if edge in ("linear", "drift"):
        return features[0]
    if edge == "interaction":
        return features[0] * features[1]
    if edge == "regime":
        return features[0] * np.where(features[2] > 0, 1.0, -1.0)
    return np.zeros_like(features[0])


def _check(
    edge: str,
    symbols: Sequence[str],
    sessions: Sequence[dt.date],
    ic: float,
    feature_count: int,
    drift_session: dt.date | None,
) -> None:
    if edge not in get_args(Edge):
        raise ValueError(f"expected an edge of {list(get_args(Edge))}, found {edge!r}")
    if not symbols or len(set(symbols)) != len(symbols) or not sessions:
        raise ValueError("expected distinct symbols and sessions, at least one of each")
    if not abs(ic) < 1 or feature_count < 5:
        raise ValueError(f"expected |ic| < 1 and at least 5 features, found ic {ic} and {feature_count} features")
    if edge == "drift" and drift_session is None:
        raise ValueError("expected drift_session for the edge 'drift', found none; pass the first drifted session")
