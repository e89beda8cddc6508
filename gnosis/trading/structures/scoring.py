"""The score of a candidate: expected log growth at the size it would receive, under a forecast and after costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnosis.trading.structures.chain import Floats, Positions


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRule:
    """How large a candidate would be, as fractions of equity of its risk base (worst-case loss, or margin).

    Attributes
    ----------
    kelly_share
        Share of the growth-optimal fraction, energy factor and other multipliers of the decision included.
    most_loss_share
        Cap of the worst-case loss of a structure whose loss is bounded.
    most_margin_share
        Cap of the margin of one whose loss is not.

    Raises
    ------
    ValueError
        For a share outside (0, 1].

    Examples
    --------
    >>> SizeRule(kelly_share=0.5).most_loss_share
    0.015
    """

    kelly_share: float = 0.25
    most_loss_share: float = 0.015
    most_margin_share: float = 0.20

    def __post_init__(self) -> None:
        for name in ("kelly_share", "most_loss_share", "most_margin_share"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"{name}: expected a share within (0, 1], found {getattr(self, name)}")


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores by candidate, shape (candidates,).

    Attributes
    ----------
    expected_return
        Expected profit as a share of the risk base.
    size_share
        Risk base as a share of equity; 0 where nothing is to be gained.
    log_growth
        Expected log growth of equity up to the near expiry at that size.
    cvar_95
        Mean loss of the worst twentieth, as a share of the risk base.
    """

    expected_return: Floats
    size_share: Floats
    log_growth: Floats
    cvar_95: Floats

    def take(self, rows: Positions) -> Scores:
        """Return some of the rows, in their order."""
        return Scores(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def scores(
    worth_usd: Floats,
    weights: Floats,
    place: Positions,
    quantity: Floats,
    shares: Floats,
    price_usd: Floats,
    outlay_usd: Floats,
    base_usd: Floats,
    most_share: Floats,
    kelly_share: float,
) -> Scores:
    """Return the scores of candidates whose profit is taken at one expiry.

    Parameters
    ----------
    worth_usd
        float64, shape (contracts, points): value of each contract by price, $ per share.
    weights
        float64, shape (points,): probability of each price under the forecast, sum 1.
    place, quantity
        int64 and float64, shape (candidates, legs): rows of ``worth_usd`` and signed quantities, 0 for no leg.
    shares
        float64, shape (candidates,): signed shares per share of the multiplier.
    price_usd
        float64, shape (points,).
    outlay_usd
        float64, shape (candidates,): net premium and fees, $ per share.
    base_usd
        float64, shape (candidates,): risk base, $ per share, positive.
    most_share
        float64, shape (candidates,): largest size, as a share of equity of the risk base.
    kelly_share
        Share of the growth-optimal fraction that is taken.

    Raises
    ------
    ValueError
        For weights that are negative or do not sum to 1, or a risk base that is not positive and finite.

    Examples
    --------
    A bet that wins 1 with probability 0.6 and loses 1 otherwise: half of the growth-optimal fifth of equity.

    >>> worth, one = np.array([[0.0, 2.0]]), np.ones(1)
    >>> bet = [worth, np.array([0.4, 0.6]), np.zeros((1, 1), np.int64), np.ones((1, 1)), np.zeros(1)]
    >>> found = scores(*bet, np.array([0.0, 2.0]), one, one, one, kelly_share=0.5)
    >>> found.size_share.round(6).tolist(), found.log_growth.round(10).tolist(), found.cvar_95.round(6).tolist()
    ([0.1], [0.0150419016], [1.0])
    """
    from gnosis.trading.structures import scoring_kernel as kernel

    if (weights < 0.0).any() or abs(float(weights.sum()) - 1.0) > 1e-9:
        raise ValueError(f"weights: expected probabilities with a sum of 1, found {weights.sum()}")
    if not (np.isfinite(base_usd) & (base_usd > 0.0)).all():
        raise ValueError("base_usd: expected positive finite losses or margins; reject candidates without first")
    out = np.empty((place.shape[0], 4))
    kernel.score(
        np.ascontiguousarray(worth_usd), np.ascontiguousarray(weights), np.ascontiguousarray(place),
        np.ascontiguousarray(quantity), np.ascontiguousarray(shares), np.ascontiguousarray(price_usd),
        np.ascontiguousarray(outlay_usd), np.ascontiguousarray(base_usd), most_share / kelly_share, kelly_share, out,
    )  # fmt: skip
    return Scores(*out.T)
