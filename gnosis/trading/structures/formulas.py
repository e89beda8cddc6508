"""Largest profit and loss as the table states them, beside those of the payoff engine."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.trading.structures.chain import Floats, OptionChain
from gnosis.trading.structures.selection import Candidates

UNLIMITED, MODEL = "unlimited", "model"


def table_bounds(chain: OptionChain, candidates: Candidates, outlay_usd: Floats) -> tuple[Floats, Floats]:
    """Return largest profit and loss by the formulas of the table, $ per share, shape (candidates,) each.

    Infinite where the table says unlimited, NaN where a model decides.

    Parameters
    ----------
    chain, candidates
        Contracts and their combinations.
    outlay_usd
        float64, shape (candidates,): net premium and fees; ``d`` of the formulas, and ``c`` with the other sign.
    """
    strike = np.sort(np.where(candidates.is_leg, chain.strike_usd[candidates.contract], np.inf), axis=1)
    strike[:, 1:][strike[:, 1:] == strike[:, :-1]] = np.inf
    strike.sort(axis=1)
    terms = {f"K{number}": column for number, column in enumerate(strike.T, start=1)}
    frame = pl.DataFrame(terms).with_columns(d=pl.Series(outlay_usd), c=pl.Series(-outlay_usd))
    found = np.full((2, len(candidates)), np.nan)
    for position, item in enumerate(candidates.structures):
        rows = np.flatnonzero(candidates.structure == position)
        for bound, formula in zip(found, (item.max_profit, item.max_loss), strict=True):
            if formula == UNLIMITED:
                bound[rows] = np.inf
            elif formula != MODEL and rows.size:
                bound[rows] = frame[rows].select(pl.sql_expr(formula)).to_series().to_numpy()
    return found[0], found[1]
