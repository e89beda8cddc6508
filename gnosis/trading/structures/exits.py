"""When a structure is closed: the event that its probability is about, registered with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnosis.trading.structures.chain import Floats
from gnosis.trading.structures.schema import Exit
from gnosis.trading.structures.selection import Candidates


@dataclass(frozen=True, slots=True)
class ExitRule:
    """Target and stop as shares of the premium at the entry, and the days to expiry at which it is closed out."""

    target_share: float
    stop_share: float
    close_out_dte_days: int


EXIT_RULES: dict[Exit, ExitRule] = {
    Exit.DEBIT: ExitRule(0.50, 0.50, 5),
    Exit.CREDIT: ExitRule(0.50, 1.00, 3),
    Exit.LONG_VOLATILITY: ExitRule(0.75, 0.75, 7),
}
"""Defaults; part of the event definition."""


@dataclass(frozen=True, slots=True, eq=False)
class ExitLevels:
    """Profit and loss at which each candidate is closed, $ per share, shape (candidates,).

    Attributes
    ----------
    rule
        Name of the rule: ``debit``, ``credit`` or ``long_volatility``.
    target_usd
        Positive.
    stop_usd
        Negative.
    close_out_dte_days
        int64: closed at this many days to the near expiry at the latest.
    """

    rule: np.ndarray
    target_usd: Floats
    stop_usd: Floats
    close_out_dte_days: np.ndarray


def exit_levels(candidates: Candidates, net_usd: Floats) -> ExitLevels:
    """Return the exits of candidates that cost ``net_usd`` (debit positive), $ per share.

    Shares of the premium at the entry, be it paid or received.

    Raises
    ------
    ValueError
        For a premium of zero: a share of nothing is no exit.
    """
    if (net_usd == 0.0).any():
        raise ValueError("expected a debit or a credit, found a premium of 0; register an exit of its own")
    names = np.array([item.exit.value for item in candidates.structures], dtype=np.str_)[candidates.structure]
    by_sign = np.where(net_usd > 0.0, Exit.DEBIT.value, Exit.CREDIT.value)
    names = np.where(names == Exit.BY_PREMIUM, by_sign, names)
    target, stop, days = (np.empty(names.size) for _ in range(3))
    for kind, rule in EXIT_RULES.items():
        rows = names == kind
        target[rows], stop[rows], days[rows] = rule.target_share, rule.stop_share, rule.close_out_dte_days
    premium = np.abs(net_usd)
    return ExitLevels(names, target * premium, -stop * premium, days.astype(np.int64))
