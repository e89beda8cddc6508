"""Names of the markets that engines and models are tested on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

from gnosis.sessions import sessions_between
from gnosis.simulate.bars import PathSpec
from gnosis.simulate.chain import ChainSpec
from gnosis.simulate.market import MarketSpec, Regime

SCRIPT_FIRST_SESSION = dt.date(2006, 1, 3)
SCRIPT_SESSIONS_PER_STATE = 20


def scripted_regimes(first: dt.date = SCRIPT_FIRST_SESSION, length: int = SCRIPT_SESSIONS_PER_STATE) -> list[Regime]:
    """Return the regime script of market K7: every state for ``length`` sessions, starting at ``first``.

    Examples
    --------
    >>> [(regime.name, regime.first_session.isoformat()) for regime in scripted_regimes()][:2]
    [('calm', '2006-01-03'), ('squeeze', '2006-02-01')]
    """
    calm = Regime("calm", first, volatility_factor=0.7, open_interest_factor=1.5)
    states = [
        calm,
        replace(calm, name="squeeze", volatility_factor=0.5, open_interest_factor=3.0),
        Regime("short_gamma", first, 1.3, 1.0, 0.8, dealer_side_call=-1.0),
        Regime("storm", first, 2.0, 0.4, 8.0, dealer_side_call=-1.0),
        Regime("thin_book", first, 1.2, 0.2, 0.5),
        Regime("crisis", first, 3.5, 0.5, posts_per_session=60.0),
        Regime("viral", first, 2.0, 3.0, 4.0, posts_per_session=2_000.0),
        Regime("usual", first),
    ]
    days = sessions_between(first, first + dt.timedelta(days=2 * length * len(states) + 10))
    return [replace(state, first_session=days[index * length]) for index, state in enumerate(states)]


def _certified_surface() -> MarketSpec:
    return MarketSpec(has_options=True, chain=ChainSpec(tick_below_usd=None, tick_above_usd=None))


def _linear_edge() -> MarketSpec:
    return MarketSpec(paths=PathSpec(edge_ic=0.05))


def _regime_script() -> MarketSpec:
    return MarketSpec(has_options=True, script=tuple(scripted_regimes()))


MARKETS: dict[str, Callable[[], MarketSpec]] = {
    "daily": MarketSpec,
    "options": lambda: MarketSpec(has_options=True),
    "certified_surface": _certified_surface,
    "linear_edge": _linear_edge,
    "regime_script": _regime_script,
}
"""Makers of markets for :func:`gnosis.simulate.market.market`; ``certified_surface`` is K4, ``regime_script`` is K7.

K1, K2, K3 and K8 are functions of :mod:`gnosis.simulate.flow`, K5 of :mod:`gnosis.simulate.book`, K6 of
:mod:`gnosis.simulate.sentiment`; the markets of learning are :func:`gnosis.simulate.edges.edge_market`.
"""
