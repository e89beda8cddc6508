"""The strategies that ship: what to hold from the next open, from rows known at the decision.

Each is a plain function of a view. The weights of one decision share the equity equally over the symbols of the
universe, so gross exposure never passes 1. A symbol without a row is left as it is: nothing is known that would change
it.
"""

from __future__ import annotations

import hashlib

from gnosis.backtest.strategy import Strategy, strategy
from gnosis.backtest.view import View
from gnosis.engines.regimes import AmplificationRegime, GammaRegime

MARKET_CONVENTION = "naive"
"""Dealer sign convention whose rows the strategies read."""


@strategy()
def buy_and_hold(view: View) -> dict[str, float]:
    """Equal shares of equity in every symbol at the first decision, and nothing after it."""
    if view.positions_shares or view.resting_orders:
        return {}
    return dict.fromkeys(view.symbols, 1 / len(view.symbols))


@strategy(reads=("trades.ideas",))
def model_long_flat_short(view: View) -> dict[str, float]:
    """The published ideas: long, flat or short by the model, at their own size."""
    universe = set(view.symbols)
    ideas = view.today_values("trades.ideas", "symbol", "target_weight")
    return {symbol: weight for symbol, weight in ideas if symbol in universe}


@strategy(reads=("engines.elasticity",), grid={"expansion_share": (0.0, 0.5, 1.0), "squeeze_share": (-0.5, 0.0, 0.5)})
def gamma_regime(view: View, *, expansion_share: float = 0.5, squeeze_share: float = 0.0) -> dict[str, float]:
    """Whole while dealers are long gamma, less while they add to moves.

    ``expansion_share`` is held in low gamma, ``squeeze_share`` (negative is short) in a squeeze.
    """
    shares = {
        GammaRegime.LONG_GAMMA_COMPRESSION.value: 1.0,
        GammaRegime.NEUTRAL.value: 1.0,
        GammaRegime.LOW_GAMMA_EXPANSION.value: expansion_share,
        GammaRegime.SHORT_GAMMA_SQUEEZE.value: squeeze_share,
    }
    states = _states(view, "hedge_gamma_regime")
    return {symbol: shares[regime] / len(view.symbols) for symbol, (regime,) in states.items()}


@strategy(
    reads=("engines.elasticity", "features.technical"),
    grid={"entry_deviations": (0.5, 1.0, 1.5), "trend_amplification": (1.0, 1.1, 1.25)},
)
def range_or_trend(view: View, *, entry_deviations: float = 1.0, trend_amplification: float = 1.1) -> dict[str, float]:
    """Against the last move where hedging damps it, with it where hedging feeds it, out in a storm.

    Momentum is the return over its own deviation (``tech_momentum_zscore``); within ``entry_deviations`` there is no
    position. From ``trend_amplification`` on the move is followed.
    """
    momentum = dict(view.today_values("features.technical", "symbol", "tech_momentum_zscore"))
    share = 1 / len(view.symbols)
    weights = {}
    for symbol, (amplification, regime) in _states(view, "amplification", "amplification_regime").items():
        moved = momentum.get(symbol)
        if moved is None:
            continue
        if regime == AmplificationRegime.STORM.value or abs(moved) < entry_deviations:
            weights[symbol] = 0.0
            continue
        direction = 1.0 if moved > 0 else -1.0
        weights[symbol] = share * (direction if amplification >= trend_amplification else -direction)
    return weights


@strategy()
def placebo(view: View, *, seed: int = 0) -> dict[str, float]:
    """Long, flat or short by a coin that knows nothing, thrown once a week: what luck alone earns after costs."""
    week = view.session.isocalendar()[:2]
    return {
        symbol: (hashlib.sha256(f"{seed} {week} {symbol}".encode()).digest()[0] % 3 - 1) / len(view.symbols)
        for symbol in view.symbols
    }


def _states(view: View, *columns: str) -> dict[str, tuple]:
    """Return the columns of today's elasticity by symbol of the universe, without rows that lack one of them."""
    universe = set(view.symbols)
    return {
        symbol: tuple(values)
        for symbol, convention, *values in view.today_values(
            "engines.elasticity", "symbol", "sign_convention", *columns
        )
        if convention == MARKET_CONVENTION and symbol in universe and None not in values
    }


SHIPPED: tuple[Strategy, ...] = (buy_and_hold, model_long_flat_short, gamma_regime, range_or_trend, placebo)
