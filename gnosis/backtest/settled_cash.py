"""What a cash account may buy with: the proceeds of a sale pay for nothing before they have settled (B-3.6)."""

from __future__ import annotations

from gnosis.backtest.conditions import settlement_lag
from gnosis.backtest.configuration import Configuration
from gnosis.backtest.ledger import UNIT, Ledger
from gnosis.backtest.market import Market
from gnosis.backtest.pricing import Pricing


class SettledCash:
    """Sales of a cash account that have not settled yet; purchases cut short by them are noted in ``labels``."""

    def __init__(
        self, market: Market, configuration: Configuration, ledger: Ledger, pricing: Pricing, labels: set[str]
    ) -> None:
        self._market, self._configuration, self._ledger = market, configuration, ledger
        self._pricing, self._labels = pricing, labels
        self._unsettled: list[tuple[int, int]] = []

    def sold(self, session: int, proceeds: int) -> None:
        """Note the proceeds of a sale, units of 1e-8 dollars."""
        given = self._configuration.settlement_days
        lag = settlement_lag(self._market.sessions[session]) if given is None else given
        self._unsettled.append((session + lag, proceeds))

    def affordable(self, session: int, price: int, quantity: int) -> int:
        """Return the quantity if settled cash pays for it, else as many whole shares as it does, fees included."""
        self._unsettled = [entry for entry in self._unsettled if entry[0] > session]
        settled = self._ledger.accounts["cash"] - sum(amount for _, amount in self._unsettled)
        cost = price * quantity // UNIT + self._pricing.fee(session, price, quantity)
        if cost <= settled:
            return quantity
        self._labels.add("unsettled_cash")
        whole = max(0, settled * quantity // cost) // UNIT
        while whole and price * whole + self._pricing.fee(session, price, whole * UNIT) > settled:
            whole -= 1
        return whole * UNIT
