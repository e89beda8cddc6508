"""One underlying's chain as arrays: quotes that can be traded, and their Greeks on the fitted surface."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.options.pricing.black_scholes import Greeks, greeks
from gnosis.options.surface.svi import RawSvi, total_variance

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Positions: TypeAlias = NDArray[np.int64]

EXPIRY_KEY = ["expiry", "settlement", "root"]
CONTRACT_KEY = ["session", "symbol", *EXPIRY_KEY, "right", "strike"]
RAW_SVI = ["svi_a", "svi_b", "svi_rho", "svi_m", "svi_s"]
THOUSANDTHS = 1000
TRADEABLE_REASONS = ["oi_missing"]
"""Reasons of ``greeks.option_greeks`` that say nothing against the quote."""


class ChainError(ValueError):
    """Quotes and a surface that make no chain."""


@dataclass(frozen=True, slots=True, eq=False)
class OptionChain:
    """Contracts with a valid two-sided quote, sorted by expiry (time to settlement), right (calls first) and strike.

    Attributes
    ----------
    symbol, session
        What the chain is of, and the exchange session of its snapshot.
    spot_usd
        Price of the underlying, $ per share.
    multiplier
        Shares per contract.
    is_certified
        Whether the surface is free of arbitrage; without, there is no risk-neutral probability.
    expiries
        One row per expiry with a slice of the surface: the key, ``dte_days``, ``tau_years``, ``forward``, ``discount``.
    contracts
        One row per contract: the key of ``raw.option_quotes``.
    surface
        Raw SVI slices, fields of shape (expiries,).
    expiry
        int64, shape (contracts,): row of ``expiries``.
    is_call, is_american
        bool, shape (contracts,).
    strike_usd, bid_usd, ask_usd
        float64, shape (contracts,): $ per share.
    iv, greeks
        Volatility of the surface at the strike, and the Greeks with it, per unit, shape (contracts,).
    bounds
        int64, shape (expiries, 2, 2): first and one past the last row of calls (0) and puts (1) of each expiry.
    """

    symbol: str
    session: dt.date
    spot_usd: float
    multiplier: float
    is_certified: bool
    expiries: pl.DataFrame
    contracts: pl.DataFrame
    surface: RawSvi
    expiry: Positions
    is_call: Flags
    is_american: Flags
    strike_usd: Floats
    bid_usd: Floats
    ask_usd: Floats
    iv: Floats
    greeks: Greeks
    bounds: Positions

    @property
    def tau_years(self) -> Floats:
        """Time to settlement of each expiry, shape (expiries,)."""
        return self.expiries["tau_years"].to_numpy()

    @property
    def forward_usd(self) -> Floats:
        """Forward price for each expiry, shape (expiries,)."""
        return self.expiries["forward"].to_numpy()

    @property
    def discount(self) -> Floats:
        """Discount factor to each expiry, shape (expiries,)."""
        return self.expiries["discount"].to_numpy()

    def rows(self, expiry: int, right: str) -> slice:
        """Return the rows of the calls or puts of an expiry."""
        first, last = self.bounds[expiry, int(right == "P")]
        return slice(int(first), int(last))


def option_chain(quotes: pl.DataFrame, option_greeks: pl.DataFrame, slices: pl.DataFrame) -> OptionChain:
    """Return the tradeable chain of one symbol and session.

    Parameters
    ----------
    quotes
        Rows of ``raw.option_quotes``; their bid and ask are the prices.
    option_greeks
        Rows of ``greeks.option_greeks`` of the same contracts; a contract with a reason against its quote is left out.
    slices
        Rows of ``greeks.surface``; an expiry without one is left out.

    Raises
    ------
    ChainError
        For rows of several symbols or sessions, several multipliers or spots, or when no contract is left.

    Examples
    --------
    See :func:`gnosis.trading.structures.ranking.ranked_candidates`.
    """
    scope = slices.select("session", "symbol").unique()
    if scope.height != 1:
        raise ChainError(
            f"expected the surface of one symbol and session, found {scope.height}; "
            "filter first, and leave out sessions that have no surface"
        )
    session, symbol = scope.row(0)
    own = (pl.col("session") == session) & (pl.col("symbol") == symbol)
    expiries = (
        slices.sort("tau_years", *EXPIRY_KEY)
        .select(*EXPIRY_KEY, "tau_years", "forward", "discount", "spot", "certificate", *RAW_SVI)
        .with_columns(dte_days=(pl.col("expiry") - pl.lit(session)).dt.total_days())
        .with_row_index("position")
    )
    known = option_greeks.filter(own).select(*CONTRACT_KEY, "reason")
    rows = (
        quotes.filter(own)
        .join(known, on=CONTRACT_KEY, how="inner")
        .filter(
            pl.col("bid") > 0,
            pl.col("ask") >= pl.col("bid"),
            pl.col("reason").is_null() | pl.col("reason").cast(pl.String).is_in(TRADEABLE_REASONS),
        )
        .join(expiries.select("position", *EXPIRY_KEY), on=EXPIRY_KEY, how="inner")
        .with_columns(is_put=pl.col("right") == "P")
        .sort("position", "is_put", "strike")
    )
    multipliers, spots = rows["multiplier"].unique(), expiries["spot"].unique()
    if multipliers.len() != 1 or spots.len() != 1:
        raise ChainError(
            f"{symbol} on {session}: expected tradeable quotes of one multiplier on a surface of one spot, found "
            f"multipliers {multipliers.to_list()} and spots {spots.to_list()}; pass one option class of one snapshot"
        )
    expiry, is_put = rows["position"].to_numpy().astype(np.int64), rows["is_put"].to_numpy()
    strike, spot = rows["strike"].to_numpy(), float(spots[0])
    surface = RawSvi(*expiries.select(RAW_SVI).to_numpy().T)
    tau, forward, discount = (expiries[name].to_numpy()[expiry] for name in ("tau_years", "forward", "discount"))
    iv = surface_volatility(surface, expiry, np.log(strike / forward), tau)
    codes = 2 * expiry + is_put
    edges = np.searchsorted(codes, np.arange(2 * expiries.height + 1))
    return OptionChain(
        symbol=symbol,
        session=session,
        spot_usd=spot,
        multiplier=float(multipliers[0]),
        is_certified=bool((expiries["certificate"] == "passed").all()),
        expiries=expiries.select(*EXPIRY_KEY, "dte_days", "tau_years", "forward", "discount"),
        contracts=rows.select(CONTRACT_KEY),
        surface=surface,
        expiry=expiry,
        is_call=~is_put,
        is_american=(rows["style"] == "A").to_numpy(),
        strike_usd=strike,
        bid_usd=rows["bid"].to_numpy(),
        ask_usd=rows["ask"].to_numpy(),
        iv=iv,
        greeks=greeks(spot, strike, tau, forward, discount, iv, ~is_put),
        bounds=np.stack([edges[:-1], edges[1:]], axis=1).reshape(expiries.height, 2, 2).astype(np.int64),
    )


def surface_volatility(surface: RawSvi, expiry: Positions, log_moneyness: Floats, tau_years: Floats) -> Floats:
    """Return the volatility of slice ``expiry`` at each log-moneyness, arrays of one shape.

    Examples
    --------
    >>> flat = RawSvi(*(np.array([value]) for value in (0.04 * 0.25, 0.0, 0.0, 0.0, 0.1)))
    >>> surface_volatility(flat, np.array([0, 0]), np.array([-0.1, 0.2]), np.array([0.25, 0.25])).round(12).tolist()
    [0.2, 0.2]
    """
    taken = RawSvi(*(np.asarray(field)[expiry] for field in surface))
    return np.sqrt(total_variance(taken, log_moneyness).w / tau_years)
