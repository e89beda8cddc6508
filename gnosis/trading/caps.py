"""Caps of one evening's book: from the fraction an idea deserves to the units it gets, every step kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from gnosis.trading.sizing import Floats

CAPS = ("name", "gross", "net", "sector", "participation", "worst_loss", "stress", "margin")
"""In the order of their use."""
STEPS = (*CAPS, "together", "lot")
MOST_PASSES = 50


@dataclass(frozen=True, slots=True)
class SizingLimits:
    """Limits of a book; shares of equity unless said otherwise.

    Attributes
    ----------
    name, gross, net, sector
        Notional of one name, of all, of longs less shorts, and of one sector.
    participation
        Share of the average daily dollar volume of the 20 sessions before.
    worst_loss
        Largest loss of one defined-risk structure.
    stress
        Loss of the book in its worst cell of the stress grid.
    margin
        Margin in use.
    """

    name: float = 0.10
    gross: float = 1.00
    net: float = 0.60
    sector: float = 0.30
    participation: float = 0.01
    worst_loss: float = 0.015
    stress: float = 0.03
    margin: float = 0.20

    def __post_init__(self) -> None:
        for field in self.__slots__:
            if not getattr(self, field) > 0.0:
                raise ValueError(f"expected a positive limit for {field}, found {getattr(self, field)}")


COLUMNS = {
    "fraction": pl.Float64,
    "delta_sign": pl.Int8,
    "sector": pl.String,
    "adv_usd": pl.Float64,
    "unit_usd": pl.Float64,
    "loss_per_notional": pl.Float64,
    "margin_per_notional": pl.Float64,
    "lot_units": pl.Int64,
}
"""Columns of the ideas that :func:`capped` reads, beside what it hands on."""


def capped(ideas: pl.DataFrame, stress: Floats, equity_usd: float, limits: SizingLimits) -> pl.DataFrame:
    """Return the ideas of one evening with the fraction after each cap, the binding cap and the units.

    Caps on one idea shorten that idea. Caps on the book scale all ideas they concern by one factor, so that no idea is
    served before another; the cap on net exposure scales the heavier side only. A later cap may shorten the side that
    held the other in balance: the caps are gone through again until all hold together.

    Parameters
    ----------
    ideas
        Rows with the columns of :data:`COLUMNS`: ``fraction`` of equity in notional terms before caps, at least 0;
        ``delta_sign`` 1, -1 or 0; ``sector``, null where unknown (all unknown ones count as one sector); ``adv_usd`` of
        the underlying; ``unit_usd``, notional of one unit; ``loss_per_notional``, worst loss of a defined-risk
        structure, null for others; ``margin_per_notional``; ``lot_units``, smallest tradable number of units.
    stress
        float64, shape (ideas, cells): profit per unit notional of each idea in each cell of the stress grid.
    equity_usd
        Equity of the account.
    limits
        The caps.

    Returns
    -------
    polars.DataFrame
        The rows with ``size_after_<step>`` for each of :data:`STEPS` (the caps once, all together, rounded to lots),
        ``binding_cap``, the last to shorten the idea, null when none did, and ``units``; 0 when a lot is too large.

    Raises
    ------
    ValueError
        For missing columns, a stress grid of other rows, a null or negative fraction, or equity that is not positive.

    Examples
    --------
    >>> idea = pl.DataFrame({"fraction": [0.25], "delta_sign": [1], "sector": ["Energy"], "adv_usd": [1.5e6],
    ...     "unit_usd": [50.0], "loss_per_notional": [None], "margin_per_notional": [0.5], "lot_units": [1]},
    ...     schema=COLUMNS)
    >>> found = capped(idea, np.array([[-0.2, 0.2]]), 250_000.0, SizingLimits())
    >>> found.select("size_after_name", "size_after_participation", "units", "binding_cap").row(0)
    (0.1, 0.06, 300, 'participation')
    """
    _require(ideas, stress, equity_usd)
    size = ideas["fraction"].to_numpy()
    binding = np.full(size.size, None, dtype=object)
    steps: dict[str, Floats] = {}
    for n_pass in range(MOST_PASSES):
        before = size
        for cap, allowed in _caps(ideas, stress, equity_usd, limits).items():
            following = np.minimum(size, allowed(size))
            binding[following < size] = cap
            size = following
            if n_pass == 0:
                steps[f"size_after_{cap}"] = size
        if np.array_equal(size, before):
            break
    steps["size_after_together"] = size
    unit, lot = _values(ideas, "unit_usd"), ideas["lot_units"].to_numpy()
    # A billionth of a unit is rounding of the steps before, not size.
    units = (np.floor(size * equity_usd / unit / lot + 1e-9) * lot).astype(np.int64)
    steps["size_after_lot"] = units * unit / equity_usd
    return ideas.with_columns(
        **{name: pl.Series(values) for name, values in steps.items()},
        binding_cap=pl.Series(binding.tolist(), dtype=pl.Enum(CAPS)),
        units=pl.Series(units),
    )


def _caps(
    ideas: pl.DataFrame, stress: Floats, equity_usd: float, limits: SizingLimits
) -> dict[str, Callable[[Floats], Floats]]:
    """Return what each cap allows, given the sizes before it, in the order of their use."""
    sign, sectors = ideas["delta_sign"].to_numpy(), ideas["sector"].fill_null("").to_numpy()
    volume, loss, margin = (_values(ideas, name) for name in ("adv_usd", "loss_per_notional", "margin_per_notional"))
    # What is not known cannot be kept within its limit.
    tradable = np.where(np.isnan(volume), 0.0, limits.participation * volume / equity_usd)
    bearable = np.divide(limits.worst_loss, loss, out=np.full(loss.shape, np.inf), where=loss > 0.0)

    def in_sectors(size: Floats) -> Floats:
        used = {name: float(size[sectors == name].sum()) for name in np.unique(sectors)}
        return size * np.array([_scale(used[name], limits.sector) for name in sectors])

    return {
        "name": lambda size: np.full(size.size, limits.name),
        "gross": lambda size: size * _scale(float(size.sum()), limits.gross),
        "net": lambda size: _within_net(size, sign, limits.net),
        "sector": in_sectors,
        "participation": lambda _: tradable,
        "worst_loss": lambda _: bearable,
        "stress": lambda size: size * _scale(-float((size @ stress).min(initial=0.0)), limits.stress),
        "margin": lambda size: size * _scale(float(size @ margin), limits.margin),
    }


def portfolio_scale(weights: Floats, log_returns: Floats, target_per_year: float = 0.15) -> float:
    """Return the factor, at most 1, that brings the forecast volatility of a book down to its target.

    The covariance is shrunk towards the identity scaled by the mean variance (Ledoit and Wolf 2004).

    Parameters
    ----------
    weights
        float64, shape (names,): signed share of equity.
    log_returns
        float64, shape (sessions, names): trailing daily log returns known at the decision, none missing.
    target_per_year
        Annualised volatility that the book must not exceed.

    Raises
    ------
    ValueError
        For returns of other names, fewer than two sessions, or missing values.

    Examples
    --------
    >>> returns = np.random.default_rng(1).normal(0.0, 0.02, (252, 2))
    >>> round(portfolio_scale(np.array([0.6, 0.4]), returns), 3)
    0.722
    """
    from sklearn.covariance import ledoit_wolf

    if log_returns.ndim != 2 or log_returns.shape[1] != weights.size or len(log_returns) < 2:
        raise ValueError(
            f"expected returns of {weights.size} names over two sessions or more, found {log_returns.shape}"
        )
    if not np.isfinite(log_returns).all():
        raise ValueError(f"expected no missing returns, found {int((~np.isfinite(log_returns)).sum())}")
    covariance, _ = ledoit_wolf(log_returns)
    volatility = float(np.sqrt(max(weights @ covariance @ weights, 0.0) * 252.0))
    return _scale(volatility, target_per_year)


def _scale(used: float, limit: float) -> float:
    # Rounding of the last pass is not a breach.
    return 1.0 if used <= limit * (1.0 + 1e-12) else limit / used


def _within_net(size: Floats, sign: Floats, limit: float) -> Floats:
    long, short = size[sign > 0].sum(), size[sign < 0].sum()
    heavier, factor = (1, _scale(long, short + limit)) if long >= short else (-1, _scale(short, long + limit))
    return np.where(sign == heavier, size * factor, size)


def _values(ideas: pl.DataFrame, name: str) -> Floats:
    return ideas[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _require(ideas: pl.DataFrame, stress: Floats, equity_usd: float) -> None:
    if missing := [name for name in COLUMNS if name not in ideas.columns]:
        raise ValueError(f"expected the columns {list(COLUMNS)}, missing {missing}")
    if stress.ndim != 2 or len(stress) != ideas.height:
        raise ValueError(f"expected a stress grid of {ideas.height} ideas, found shape {stress.shape}")
    if not np.isfinite(stress).all():
        raise ValueError("expected a profit in every cell of the stress grid, found missing values")
    if not equity_usd > 0.0:
        raise ValueError(f"expected positive equity, found {equity_usd}")
    fraction = ideas["fraction"]
    if fraction.null_count() or not (fraction.is_finite() & (fraction >= 0.0)).all():
        raise ValueError(
            "expected fractions of at least 0, found null, negative or infinite ones: veto such ideas before"
        )
    for name in ("unit_usd", "margin_per_notional", "lot_units", "delta_sign"):
        column = ideas[name]
        if column.null_count() or (name in ("unit_usd", "lot_units") and not (column > 0).all()):
            raise ValueError(f"expected {name} for every idea, found {column.to_list()}")
