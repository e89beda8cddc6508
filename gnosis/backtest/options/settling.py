"""Expiry, exercise and assignment of what is held, session by session."""

from __future__ import annotations

import datetime as dt
import math
import zlib
from typing import Literal

import numpy as np

from gnosis.backtest.options.account import Account, Mark, SettlementRecord, StateRecord
from gnosis.backtest.options.assignment import (
    Rule,
    call_pays_early,
    continuation_pays_early,
    continuation_value,
    in_pin_window,
    is_exercised_by_exception,
    put_pays_early,
)
from gnosis.backtest.options.configuration import OptionsConfiguration
from gnosis.backtest.options.contracts import Contract, OptionsDataError, contract_symbol
from gnosis.backtest.options.market import OptionsMarket, Session
from gnosis.options.chain.clock import SECONDS_PER_YEAR
from gnosis.sessions import schedule

Event = Literal["expiry", "exercise", "assignment", "early_assignment"]


class MissingSettlementError(RuntimeError):
    """A contract that is held has no settlement value; its position is left open and the run fails."""


class Settling:
    """Settles, exercises and assigns the positions of one account."""

    def __init__(self, market: OptionsMarket, account: Account, configuration: OptionsConfiguration) -> None:
        self.market, self.account, self.configuration = market, account, configuration
        self.pinned: set[str] = set()

    def before_open(self, session: Session) -> None:
        """Resolve the pins of the session before, then settle morning contracts on the special opening quotation."""
        for name in sorted(self.pinned):
            self._resolve_pin(session, self.account.contracts[name])
        for contract in self._settling(session, "am"):
            self._end(
                session, contract, self._settlement_value(session, contract), session.open_at, "opening quotation"
            )

    def at_close(self, session: Session) -> None:
        """Settle afternoon contracts on the official close, then assign what pays its holder to exercise early."""
        for contract in self._settling(session, "pm"):
            value = self._settlement_value(session, contract)
            is_uncertain = self._delivers(contract) and in_pin_window(
                value, contract.strike, self.configuration.pin_distance
            )
            if self.account.held(contract.name) < 0 and is_uncertain:
                self.pinned.add(contract.name)
                intrinsic = contract.intrinsic(value)
                self.account.marks[contract.name] = Mark(intrinsic, intrinsic)
            else:
                self._end(session, contract, value, session.close_at, "official close")
        for contract in self.account.options_held():
            if contract.is_american and self.account.held(contract.name) < 0 and contract.name not in self.pinned:
                self._assign_early(session, contract)

    def _settling(self, session: Session, settlement: str) -> list[Contract]:
        """Return the held contracts whose settlement is due; one that was missed stays due."""
        return [
            contract
            for contract in self.account.options_held()
            if contract.settlement == settlement
            and contract.settles_on <= session.day
            and contract.name not in self.pinned
        ]

    def _settlement_value(self, session: Session, contract: Contract) -> float:
        value = self.market.settlement_value(contract.root, session)
        if value is None and contract.settlement == "pm":
            bar = self.market.bar(session.day, contract.underlying)
            value = None if bar is None else bar.close
        if value is None:
            wanted = "special opening quotation" if contract.settlement == "am" else "official close"
            raise MissingSettlementError(
                f"expected the {wanted} of {contract.root} for {contract.settles_on}, found none before the next open: "
                f"{self.account.held(contract.name)} of {contract.name} stay open and the run fails. Give the value in "
                f"settlements (root, session, value, known_at) or close the position before"
            )
        return value

    def _delivers(self, contract: Contract) -> bool:
        return contract.is_american and contract.root not in self.configuration.cash_settled_roots

    def _end(self, session: Session, contract: Contract, price: float, at: dt.datetime, rule: str) -> None:
        quantity = self.account.held(contract.name)
        threshold = self.configuration.exercise_threshold_usd(session.day)
        if not is_exercised_by_exception(contract.intrinsic(price), threshold):
            self._book(session, contract, quantity, "expiry", price, at, rule)
        else:
            self._book(session, contract, quantity, "exercise" if quantity > 0 else "assignment", price, at, rule)

    def _book(
        self,
        session: Session,
        contract: Contract,
        quantity: int,
        event: Event,
        price: float,
        at: dt.datetime,
        rule: str,
        is_pin_risk: bool = False,
    ) -> None:
        """End ``quantity`` contracts: worthless, against cash, or against shares at the strike."""
        account = self.account
        exit_reason = "assignment" if event == "early_assignment" else event
        is_exercised, delivers = event != "expiry", self._delivers(contract)
        paid = contract.intrinsic(price) if is_exercised and not delivers else 0.0
        account.settle(session.day, at, contract.name, -quantity, paid, exit_reason)
        if is_exercised and delivers:
            shares = quantity * contract.multiplier * (1 if contract.is_call else -1)
            account.settle(session.day, at, contract.underlying, shares, contract.strike, exit_reason)
        account.events.settlements.append(
            SettlementRecord(session.day, contract.name, event, -quantity, price, rule, is_pin_risk)
        )
        account.events.states.append(StateRecord(session.day, contract.name, account.held(contract.name), price, at))
        if is_pin_risk:
            account.events.labels.add("pin_risk")

    def _resolve_pin(self, session: Session, contract: Contract) -> None:
        """Book the worse of assignment and none at the first open after the pin; both are open until there is one."""
        bar = self.market.bar(session.day, contract.underlying)
        if bar is None:
            return
        self.pinned.discard(contract.name)
        event: Event = "assignment" if contract.intrinsic(bar.open) > 0 else "expiry"
        quantity = self.account.held(contract.name)
        rule = "worse outcome at the next open"
        self._book(session, contract, quantity, event, bar.open, session.open_at, rule, is_pin_risk=True)

    def _assign_early(self, session: Session, contract: Contract) -> None:
        bar = self.market.bar(session.day, contract.underlying)
        if bar is None or contract.settles_on <= session.day or contract.intrinsic(bar.close) <= 0:
            return
        dividends = self._dividends(session, contract)
        tomorrow = session.next_open_at.date()
        n_tomorrow = sum(day <= tomorrow for day, _ in dividends)
        lost = sum(amount for _, amount in dividends[:n_tomorrow])
        if contract.is_call and lost == 0:
            return
        to_come = [(self._years(session, day, "open_at"), amount) for day, amount in dividends]
        pays, rule = self._pays(session, contract, bar.close, lost, to_come, n_tomorrow)
        quantity = self._assigned(session, contract) if pays else 0
        if quantity:
            self._book(session, contract, quantity, "early_assignment", bar.close, session.close_at, rule)

    def _pays(
        self,
        session: Session,
        contract: Contract,
        spot: float,
        lost: float,
        to_come: list[tuple[float, float]],
        n_tomorrow: int,
    ) -> tuple[bool, Rule]:
        """Return whether exercise pays the holder, and which rule said so.

        ``to_come`` are years and $ per share of the dividends before settlement, the first ``n_tomorrow`` of them,
        ``lost`` in sum, with the next open as their ex-date.
        """
        strike, is_call = contract.strike, contract.is_call
        tau, rate = self._years(session, contract.settles_on, "close_at"), self._rate(session, contract)
        iv = self.market.greeks_of(session.day, {contract.name}).get(contract.name, {}).get("iv")
        if iv is not None:
            after = spot - lost if is_call else spot
            later = tuple(to_come[n_tomorrow:] if is_call else to_come)
            value = continuation_value(after, strike, tau, rate, iv, is_call, later)
            return continuation_pays_early(contract.intrinsic(spot), value), "continuation"
        other = contract_symbol(contract.root, contract.expiry, "P" if is_call else "C", strike)
        ask = self.market.quotes(session.day, {other}).get(other, {}).get("ask") or None
        if is_call:
            return call_pays_early(spot, strike, tau, rate, lost, ask)
        return put_pays_early(
            spot, strike, tau, rate, sum(amount * math.exp(-rate * time) for time, amount in to_come), ask
        )

    def _dividends(self, session: Session, contract: Contract) -> list[tuple[dt.date, float]]:
        """Return the dividends declared by the close with an ex-date before settlement."""
        declared = self.market.dividends(contract.underlying, session.close_at)
        if declared is None:
            raise OptionsDataError(_unknown("dividends", session, contract) + " (no dividends is an empty table)")
        return [(day, amount) for day, amount in declared if session.day < day <= contract.settles_on and amount > 0]

    def _rate(self, session: Session, contract: Contract) -> float:
        rate = self.market.rate(session.close_at)
        if rate is None:
            raise OptionsDataError(_unknown("rates", session, contract))
        return rate

    def _years(self, session: Session, day: dt.date, column: Literal["open_at", "close_at"]) -> float:
        """Return years from the close of a session to the open or close of a day, ACT/365F."""
        calendar = schedule()
        found = int(calendar["session"].search_sorted(day, side="left"))
        if found < calendar.height and calendar["session"][found] == day:
            at = calendar[column][found]
        else:
            at = dt.datetime.combine(day, getattr(session, column).timetz())
        return float((at - session.close_at).total_seconds() / SECONDS_PER_YEAR)

    def _assigned(self, session: Session, contract: Contract) -> int:
        """Return the signed contracts that are assigned: all, or a draw that depends on seed, session and contract."""
        held = self.account.held(contract.name)
        share = self.configuration.share_assigned
        if share == 1:
            return held
        key = [self.configuration.seed, session.day.toordinal(), zlib.crc32(contract.name.encode())]
        return -int(np.random.default_rng(key).binomial(-held, share))


def _unknown(table: str, session: Session, contract: Contract) -> str:
    return (
        f"expected {table} known at {session.close_at.isoformat()} to decide early assignment of {contract.name}, "
        "which is short and in the money, found none: give them"
    )
