"""How much of an order one bar takes, and what that costs in concession and fees."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import NamedTuple

from gnosis.backtest.conditions import Conditions
from gnosis.backtest.configuration import Configuration
from gnosis.backtest.costs import (
    almgren_concession_usd_per_share,
    book_concession_usd_per_share,
    sqrt_concession_usd_per_share,
)
from gnosis.backtest.fees import sale_fee_usd
from gnosis.backtest.ledger import UNIT, divide_half_even, to_units
from gnosis.backtest.market import Market

_BPS = UNIT // 10_000
_BOOK_AGE_US = 24 * 3_600 * 1_000_000
"""A snapshot older than a day says nothing about the book that an order meets."""


class Concession(NamedTuple):
    """What one fill gives up: quantity that can be had, and per share the half spread and the impact, units of 1e-8."""

    quantity: int
    spread: int
    impact: int


class Pricing:
    """Room, concession and fees of one run; what had to be assumed is added to ``labels``."""

    def __init__(self, market: Market, conditions: Conditions, configuration: Configuration, labels: set[str]) -> None:
        self._market = market
        self._conditions = conditions
        self._configuration = configuration
        self._labels = labels
        multiple = configuration.cost_multiple
        self._fee_rate = round(configuration.fee_bps * multiple * _BPS)
        self._slippage_rate = round(configuration.slippage_bps * multiple * _BPS)
        per_share = configuration.commission_usd_per_share
        self._commission = 0 if per_share is None else to_units(per_share * multiple)
        self._taken: dict[tuple[int, int, int], float] = {}

    def room(self, session: int, column: int, fine_volume: float | None) -> tuple[int, int] | None:
        """Return the largest quantities that the session and the bar at hand can take; None for any.

        Both are the same for a daily bar. Among finer bars the session takes a share of average volume, a bar of its
        own; what is not known takes nothing.
        """
        participation = self._configuration.participation
        if participation is None:
            return None
        volume = float(self._market.volumes[session, column]) if fine_volume is None else fine_volume
        average = float(self._market.adv_shares[session, column])
        if not (math.isfinite(volume) and math.isfinite(average)):
            self._labels.add("waited_for_history")
            return 0, 0
        in_bar = math.floor(participation * min(volume, average)) * UNIT
        return (in_bar if fine_volume is None else math.floor(participation * average) * UNIT), in_bar

    def took(self, column: int, side: int, quantity: int, at_us: int) -> None:
        """Note what a fill has taken out of the book it met: no two fills have the same displayed size."""
        if self._configuration.slippage == "book":
            key = (column, self._latest_book(column, at_us), side)
            self._taken[key] = self._taken.get(key, 0.0) + quantity / UNIT

    def _latest_book(self, column: int, at_us: int) -> int:
        """Return the position of the latest snapshot known by an instant; -1 for none."""
        return bisect_right(self._conditions.books.get(column, []), at_us, key=lambda book: book.known_at) - 1

    def concession(
        self, session: int, column: int, side: int, reference: int, quantity: int, filled_before: int, at_us: int
    ) -> Concession | None:
        """Return what filling ``quantity`` (positive) gives up, or None when nothing known prices it."""
        slippage = self._configuration.slippage
        if slippage == "proportional":
            return Concession(quantity, divide_half_even(reference * self._slippage_rate, UNIT), 0)
        if slippage == "book":
            return self._walk(column, side, quantity, at_us)
        sigma_d = float(self._market.sigma_d[session, column])
        average = float(self._market.adv_shares[session, column])
        if not (math.isfinite(sigma_d) and average > 0):
            self._labels.add("waited_for_history")
            return None
        price = reference / UNIT
        half = price * self._spread_bps(session, column) / 10_000 / 2
        amplified = self._amplified(session, column)
        if slippage == "almgren":
            outstanding = self._conditions.shares_outstanding
            issued = math.nan if outstanding is None else float(outstanding[session, column])
            if not issued > 0:
                self._labels.add("waited_for_shares_outstanding")
                return None
            per_share = almgren_concession_usd_per_share(
                price,
                quantity / UNIT,
                spread_usd=2 * half,
                sigma_d=sigma_d,
                adv_shares=average,
                shares_outstanding=issued,
                days=self._configuration.execution_days,  # type: ignore[arg-type]
                permanent=self._configuration.almgren_permanent,
                temporary=self._configuration.almgren_temporary,
                multiple=amplified,
                filled_before_shares=filled_before / UNIT,
            )
        else:
            per_share = sqrt_concession_usd_per_share(
                price,
                quantity / UNIT,
                spread_usd=2 * half,
                sigma_d=sigma_d,
                adv_shares=average,
                impact_coefficient=self._configuration.impact_coefficient * amplified,
                filled_before_shares=filled_before / UNIT,
            )
        multiple = self._configuration.cost_multiple
        whole = to_units(per_share * multiple)
        spread = min(whole, to_units(half * multiple))
        return Concession(quantity, spread, whole - spread)

    def fee(self, session: int, price: int, quantity: int) -> int:
        """Return commission and regulatory fees of one fill in units of 1e-8 dollars."""
        value = abs(price * quantity)
        fee = divide_half_even(value * self._fee_rate, UNIT * UNIT)
        if self._commission:
            fee += divide_half_even(abs(quantity) * self._commission, UNIT)
        if self._configuration.regulatory_fees == "dated" and quantity < 0:
            amount, is_known = sale_fee_usd(
                value / UNIT**2,
                -quantity / UNIT,
                self._market.sessions[session],
                section_31_usd_per_million=self._configuration.section_31_usd_per_million,
                trading_activity_usd_per_share=self._configuration.trading_activity_usd_per_share,
            )
            fee += to_units(amount * self._configuration.cost_multiple)
            if not is_known:
                self._labels.add("regulatory_fees_unknown")
        return fee

    def _spread_bps(self, session: int, column: int) -> float:
        given = self._conditions.spread_bps
        known = math.nan if given is None else float(given[session, column])
        if math.isfinite(known):
            if self._conditions.is_spread_proxy:
                self._labels.add("spread_proxy")
            return known
        self._labels.add("spread_proxy")
        return self._configuration.spread_bps

    def _amplified(self, session: int, column: int) -> float:
        if not self._configuration.amplification_aware_impact:
            return 1.0
        given = self._conditions.amplification
        known = math.nan if given is None else float(given[session, column])
        if math.isfinite(known):
            return max(1.0, known)
        self._labels.add("amplification_unknown")
        return 1.0

    def _walk(self, column: int, side: int, quantity: int, at_us: int) -> Concession | None:
        snapshots = self._conditions.books.get(column, [])
        position = self._latest_book(column, at_us)
        if position < 0 or snapshots[position].known_at < at_us - _BOOK_AGE_US:
            self._labels.add("waited_for_book")
            return None
        book = snapshots[position]
        mid = (book.bids[0][0] + book.asks[0][0]) / 2
        levels = book.asks if side > 0 else book.bids
        filled, concession, half = book_concession_usd_per_share(
            levels, mid, quantity / UNIT, taken_before_shares=self._taken.get((column, position, side), 0.0)
        )
        if filled == 0:
            return None
        multiple = self._configuration.cost_multiple
        whole, spread = to_units(concession * multiple), to_units(half * multiple)
        return Concession(min(quantity, to_units(filled)), spread, whole - spread)
