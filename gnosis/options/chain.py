"""From option quotes to volatility and Greeks: all sessions and symbols of a frame in one pass.

Steps: settlement and time, discount factor, usable quotes, one forward per expiry, one volatility per strike (from the
out-of-the-money side), smile lookup, Greeks. An expiry here is one (session, symbol, expiry, settlement, root):
morning- and afternoon-settled contracts of one date have their own forwards and smiles.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.options import black_scholes, cleaning, clock
from gnosis.options.arrays import Floats
from gnosis.options.forward import MAX_ERROR_OF_SPOT, MAX_SECONDS_APART, carry_forward, parity_forward
from gnosis.options.implied_vol import implied_vol
from gnosis.options.origin import origin_of, require_table
from gnosis.options.rates import curves_known_at, discount_factor, rate_at
from gnosis.options.smile import IV_SOURCES, smile
from gnosis.tables import TABLES

EXPIRY_KEY = ["session", "symbol", "expiry", "settlement", "root"]
GREEK_COLUMNS = black_scholes.Greeks._fields[1:]
Positions = NDArray[np.int64]


class Strikes(NamedTuple):
    """How rows, strikes and expiries belong together, rows sorted by expiry, strike and right.

    Attributes
    ----------
    of_row
        Strike of each row.
    call, put
        Row of the call and of the put of each strike, -1 where there is none.
    starts
        First strike of each expiry, followed by the number of strikes.
    expiry
        Expiry of each strike.
    """

    of_row: Positions
    call: Positions
    put: Positions
    starts: Positions
    expiry: Positions

    @property
    def any_row(self) -> Positions:
        """Row of the call, or of the put where there is no call."""
        return np.where(self.call >= 0, self.call, self.put)


def option_greeks(quotes: pl.DataFrame, macro: pl.DataFrame) -> pl.DataFrame:
    """Return implied volatility and Greeks of every quoted contract.

    No row disappears: each contract of each session comes back with a volatility or with the reason why it has none.
    Only of several versions of one contract in one session the latest known is used
    (:func:`gnosis.options.cleaning.split_duplicates`).

    Parameters
    ----------
    quotes
        Rows of ``raw.option_quotes``, any number of sessions and symbols, in any order.
    macro
        Rows of ``raw.macro``; Treasury yields known at or before each quote's ``ts`` discount it, other rows are
        ignored.

    Returns
    -------
    polars.DataFrame
        ``greeks.option_greeks``, sorted by its key. ``reason`` is about the row's own quote and ``iv_source`` about
        its strike: the in-the-money row of a strike whose out-of-the-money quote is good has ``own`` volatility even
        when its own quote is wide. ``forward_se`` beside ``forward_source`` 'carry' tells of a parity forward that was
        rejected as too uncertain.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.
    UnknownSessionError
        When a session is not one of the exchange.

    Notes
    -----
    American contracts (style 'A') are valued with the European closed form as well. Their early-exercise premium
    therefore ends up in their volatility. The carry forward takes rates alone, no dividends.

    Sources: Black & Scholes (1973), Merton (1973); parity forward and cleaning rules as documented in
    :mod:`gnosis.options.forward` and :mod:`gnosis.options.cleaning`.

    Examples
    --------
    >>> import datetime as dt
    >>> ts = dt.datetime(2019, 5, 15, 20, tzinfo=dt.UTC)
    >>> origin = {"known_at": ts, "provider": "example", "synthetic": True, "session": ts.date()}
    >>> contract = {"symbol": "XYZ", "root": "XYZ", "expiry": dt.date(2019, 6, 14), "settlement": "pm", "right": "C"}
    >>> terms = {"strike": 105.0, "multiplier": 100.0, "style": "E", "ts": ts, "bid": 0.7, "ask": 0.71, "spot": 100.0}
    >>> rate = {"series_id": "DGS3MO", "ref_date": dt.date(2019, 5, 14), "value": 5.0, "is_vintage": True}
    >>> found = option_greeks(
    ...     pl.DataFrame([origin | contract | terms], schema=TABLES["raw.option_quotes"].polars_schema),
    ...     pl.DataFrame([origin | rate], schema=TABLES["raw.macro"].polars_schema),
    ... )
    >>> found.select(pl.col("iv", "gamma_per_usd").round(6), "iv_source", "forward_source").row(0)
    (0.197125, 0.052754, 'own', 'carry')
    """
    require_table(quotes, "raw.option_quotes")
    require_table(macro, "raw.macro")
    table = TABLES["greeks.option_greeks"]
    if quotes.is_empty():
        return table.empty()
    used, _ = cleaning.split_duplicates(quotes)
    rows = used.sort([*EXPIRY_KEY, "strike", "right"])
    rows = rows.join(
        _terms(rows, macro), on=["session", "expiry", "settlement", "ts"], how="left", maintain_order="left"
    )
    rows = rows.with_columns(reason=cleaning.quote_reason())
    rows = rows.with_columns(mid=pl.when(pl.col("reason").is_null()).then(cleaning.mid()))
    strikes = _strikes(rows)
    rows = _with_forward(rows, strikes)
    rows = _with_volatility(rows, strikes)
    rows = _with_greeks(rows)
    return rows.select(list(table.polars_schema)).cast(table.polars_schema).sort(table.key)


def _terms(rows: pl.DataFrame, macro: pl.DataFrame) -> pl.DataFrame:
    """Time and discount factor of every distinct (session, expiry, settlement, ts)."""
    terms = clock.with_settlement(rows.select("session", "expiry", "settlement", "ts").unique().sort(pl.all()))
    terms = terms.with_columns(
        tau_years=clock.tau_years(), is_tau_floored=clock.is_tau_floored(), dte_days=clock.dte_days()
    )
    instants = terms["ts"].unique().sort()
    curves = curves_known_at(macro, instants)
    which = instants.search_sorted(terms["ts"]).to_numpy()
    tau = terms["tau_years"].to_numpy()
    rate = rate_at(curves.rate_per_year[which], tau)
    return terms.with_columns(
        discount=pl.Series(discount_factor(rate, tau)).fill_nan(None),
        rate_provider=curves.provider.gather(which),
        rate_synthetic=pl.Series(curves.synthetic[which]),
    )


def _strikes(rows: pl.DataFrame) -> Strikes:
    def changes(names: list[str]) -> NDArray[np.bool_]:
        is_new = rows.select(pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in names).fill_null(True))
        return is_new.to_series().to_numpy()

    new_expiry = changes(EXPIRY_KEY)
    new_strike = new_expiry | changes(["strike"])
    of_row = np.cumsum(new_strike) - 1
    n = int(of_row[-1]) + 1
    is_call = (rows["right"] == "C").to_numpy()
    call, put = np.full(n, -1), np.full(n, -1)
    positions = np.arange(rows.height)
    call[of_row[is_call]] = positions[is_call]
    put[of_row[~is_call]] = positions[~is_call]
    expiry = (np.cumsum(new_expiry) - 1)[new_strike]
    starts = np.append(np.flatnonzero(np.diff(expiry, prepend=-1)), n)
    return Strikes(of_row, call, put, starts, expiry)


def _with_forward(rows: pl.DataFrame, strikes: Strikes) -> pl.DataFrame:
    """Add one forward per expiry: from parity when it is known within 0.5 % of spot, else from carry."""
    call, put, row = strikes.call, strikes.put, strikes.any_row
    mid = rows["mid"].to_numpy()
    spread = rows.select(pl.col("ask") - pl.col("bid")).to_series().to_numpy()
    seconds = rows["ts"].dt.epoch("us").to_numpy() / 1e6
    spot, discount = rows["spot"].to_numpy(), rows["discount"].to_numpy()
    is_pair = (call >= 0) & (put >= 0) & ~np.isnan(mid[call] + mid[put] + discount[row])
    is_pair &= np.abs(seconds[call] - seconds[put]) <= MAX_SECONDS_APART
    parity = parity_forward(
        strike=rows["strike"].to_numpy()[row],
        call_mid=mid[call],
        put_mid=mid[put],
        spread_sum=spread[call] + spread[put],
        spot=spot[row],
        discount=discount[row],
        is_american=(rows["style"] == "A").to_numpy()[row],
        is_pair=is_pair,
        starts=strikes.starts,
    )
    newest = _newest(seconds, strikes)
    tau = rows["tau_years"].to_numpy()
    with np.errstate(invalid="ignore"):
        rate = -np.log(discount[newest]) / tau[newest]
        is_parity = parity.error <= MAX_ERROR_OF_SPOT * spot[newest]
    forward = np.where(is_parity, parity.forward, carry_forward(spot[newest], tau[newest], rate))
    expiry = strikes.expiry[strikes.of_row]
    source = pl.when(pl.col("forward").is_not_null()).then(
        pl.when(pl.lit(pl.Series(is_parity[expiry]))).then(pl.lit("parity")).otherwise(pl.lit("carry"))
    )
    return rows.with_columns(
        expiry_number=pl.Series(expiry),
        forward=pl.Series(forward[expiry]).fill_nan(None),
        forward_se=pl.Series(parity.error[expiry]).fill_nan(None),
    ).with_columns(forward_source=source)


def _newest(seconds: Floats, strikes: Strikes) -> Positions:
    """Return the row of each expiry with the latest quote instant, the first of equals."""
    first_row = np.flatnonzero(np.diff(strikes.expiry[strikes.of_row], prepend=-1))
    latest = np.maximum.reduceat(seconds, first_row)
    candidates = np.flatnonzero(seconds == latest[strikes.expiry[strikes.of_row]])
    _, first = np.unique(strikes.expiry[strikes.of_row[candidates]], return_index=True)
    return candidates[first]


def _with_volatility(rows: pl.DataFrame, strikes: Strikes) -> pl.DataFrame:
    """Add volatility, its source and the final reason of each row."""
    has_rate = pl.col("discount").is_not_null()
    rows = rows.with_columns(
        reason=pl.when(has_rate | (pl.col("reason") == "settled").fill_null(False))
        .then(pl.coalesce("reason", cleaning.price_reason()))
        .otherwise(pl.lit("no_rate", dtype=cleaning.REASON))
    )
    is_usable = rows["reason"].is_null().to_numpy()
    call_ok = (strikes.call >= 0) & is_usable[strikes.call]
    put_ok = (strikes.put >= 0) & is_usable[strikes.put]
    strike, forward = rows["strike"].to_numpy()[strikes.any_row], rows["forward"].to_numpy()[strikes.any_row]
    is_call = np.where(strike >= forward, call_ok, ~put_ok)
    has_quote = call_ok | put_ok
    row = np.where(is_call, strikes.call, strikes.put)[has_quote]
    own = np.full(strike.size, np.nan)
    own[has_quote] = implied_vol(
        rows["mid"].to_numpy()[row],
        strike[has_quote],
        rows["tau_years"].to_numpy()[row],
        forward[has_quote],
        rows["discount"].to_numpy()[row],
        is_call[has_quote],
    )
    found = smile(np.log(strike / forward), own, strikes.starts)
    is_unsolved = (has_quote & np.isnan(own))[strikes.of_row]
    is_settled = pl.col("reason") == "settled"
    return rows.with_columns(
        iv=pl.Series(found.iv[strikes.of_row]).fill_nan(None),
        iv_source=pl.Series(found.source[strikes.of_row]),
        reason=pl.coalesce(
            "reason", pl.when(pl.lit(pl.Series(is_unsolved))).then(pl.lit("bound", dtype=cleaning.REASON))
        ),
    ).with_columns(
        iv=pl.when(is_settled.fill_null(False)).then(None).otherwise("iv"),
        iv_source=pl.when(is_settled.fill_null(False))
        .then(pl.lit("none"))
        .otherwise(pl.col("iv_source").replace_strict(range(len(IV_SOURCES)), IV_SOURCES)),
    )


def _with_greeks(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the ten Greeks and the origin of each row."""
    has_iv = rows["iv"].is_not_null().to_numpy()
    priced = rows.filter(pl.col("iv").is_not_null())
    values = black_scholes.greeks(
        spot=priced["spot"].to_numpy(),
        strike=priced["strike"].to_numpy(),
        tau_years=priced["tau_years"].to_numpy(),
        forward=priced["forward"].to_numpy(),
        discount=priced["discount"].to_numpy(),
        iv=priced["iv"].to_numpy(),
        is_call=(priced["right"] == "C").to_numpy(),
    )
    columns = np.full((len(GREEK_COLUMNS), rows.height), np.nan)
    columns[:, has_iv] = values[1:]
    rows = rows.with_columns(
        synthetic=pl.col("synthetic") | pl.col("rate_synthetic"),
        **{name: pl.Series(column).fill_nan(None) for name, column in zip(GREEK_COLUMNS, columns, strict=True)},
    )
    origin = origin_of(rows, ["expiry_number"], also=["rate_provider"])
    return rows.drop("known_at", "provider", "synthetic").join(
        origin, on="expiry_number", how="left", maintain_order="left"
    )
