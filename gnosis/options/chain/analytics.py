"""From option quotes to forwards, volatility and Greeks: all sessions and symbols of a frame in one pass.

Steps: settlement and time, discount factor, usable quotes, one forward per expiry, one volatility per strike (from the
out-of-the-money side), smile lookup, Greeks. An expiry here is one (session, symbol, expiry, settlement, root):
morning- and afternoon-settled contracts of one date have their own forwards and smiles.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np
import polars as pl

from gnosis.options.arrays import Flags, Positions
from gnosis.options.chain import cleaning, clock
from gnosis.options.chain.cleaning import NO_REASON
from gnosis.options.chain.declared_dividends import DeclaredDividends, declared_dividends
from gnosis.options.chain.expiries import SOURCES, Market, forwards, market
from gnosis.options.chain.layout import Contracts, Layout, changes, contracts, layout, newest_rows
from gnosis.options.chain.rates import curves_known_at, rate_at
from gnosis.options.chain.smile import IV_SOURCES, Smile, smile
from gnosis.options.chain.strike_volatility import StrikeVolatility, strike_volatility
from gnosis.options.origin import Providers, require_table
from gnosis.options.pricing import black_scholes
from gnosis.tables import TABLES

GREEK_COLUMNS = black_scholes.Greeks._fields[1:]
MODELS = pl.Series(["closed_form", "tree", None], dtype=pl.Enum(["closed_form", "tree"]))
SOURCE_LABELS = pl.Series(IV_SOURCES, dtype=pl.Enum(IV_SOURCES))
OWN, NO_IV = np.int8(IV_SOURCES.index("own")), np.int8(IV_SOURCES.index("none"))


class ChainAnalytics(NamedTuple):
    """Rows of ``greeks.option_greeks`` and of ``greeks.forwards`` from the same quotes."""

    greeks: pl.DataFrame
    forwards: pl.DataFrame


class Times(NamedTuple):
    """Time and rate of runs of rows that share them: :attr:`of_row` says which."""

    of_row: Positions
    table: pl.DataFrame

    def per_row(self, name: str) -> np.ndarray:
        """Return a column of the table, one entry per row."""
        return self.table[name].to_numpy()[self.of_row]


def option_greeks(
    quotes: pl.DataFrame, macro: pl.DataFrame, dividends: pl.DataFrame | None = None, as_of: dt.datetime | None = None
) -> pl.DataFrame:
    """Return implied volatility and Greeks of every quoted contract: :attr:`ChainAnalytics.greeks` alone.

    Parameters, errors and notes as in :func:`chain_analytics`.

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
    ...     TABLES["raw.dividends"].empty(),
    ... )
    >>> found.select(pl.col("iv", "gamma_per_usd").round(6), "iv_source", "forward_source").row(0)
    (0.197125, 0.052754, 'own', 'carry')
    """
    return chain_analytics(quotes, macro, dividends, as_of).greeks


def chain_analytics(
    quotes: pl.DataFrame, macro: pl.DataFrame, dividends: pl.DataFrame | None = None, as_of: dt.datetime | None = None
) -> ChainAnalytics:
    """Return volatility and Greeks of every quoted contract, and forward and carry of every expiry.

    No contract disappears: each of each session comes back with a volatility or with the reason why it has none
    (:mod:`gnosis.options.chain.cleaning` lists them). Only of several versions of one contract in one session the
    latest known is used (:func:`gnosis.options.chain.cleaning.split_duplicates`).

    Parameters
    ----------
    quotes
        Rows of ``raw.option_quotes``, any number of sessions and symbols, in any order. Where the session before is
        among them, a chain that repeats its quotes is found.
    macro
        Rows of ``raw.macro``; Treasury yields known at or before each quote's ``ts`` discount it, other rows are
        ignored.
    dividends
        Rows of ``raw.dividends``; those announced at or before the quote count, and what is not among them was not
        declared: an empty frame says that there were none. None says that dividends are not known: then
        ``dividends_usd`` is null, forwards come from put-call parity alone, and where that gives none the contracts
        have no volatility (reason ``no_forward``). So it is with options on indices too.
    as_of
        Moment of the decision: rows of any of the tables known later are left out, so that of several versions of a
        contract the latest known by then is used. None: all rows count.

    Returns
    -------
    ChainAnalytics
        ``greeks.option_greeks`` and ``greeks.forwards``, each sorted by its key. ``reason`` is about the row's own
        quote and ``iv_source`` about its strike: the in-the-money row of a strike whose out-of-the-money quote is good
        has ``own`` volatility even when its own quote is wide.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, a value is missing or impossible (see
        :func:`gnosis.options.origin.require_table`), dividends are worth as much as the spot, or ``as_of`` has no time
        zone.
    UnknownSessionError
        When a session is not one of the exchange.

    Notes
    -----
    American contracts get their volatility from a Leisen-Reimer tree where early exercise is worth more than a quarter
    of the spread (:mod:`gnosis.options.chain.early_exercise`); their Greeks are closed-form with that volatility.

    Open interest of the session itself or later cannot have been known at the quote and is taken as missing. Open
    interest whose session is not stated was shown at the quote instant, hence known then: it is kept, its age is not
    known.

    A quote long after the close (reason ``late``) has no rate, no volatility and serves nothing but its own row: spot,
    time and origin of its expiry come from the others.

    Sources: Black & Scholes (1973), Merton (1973), Leisen & Reimer (1996); parity forward and cleaning rules as
    documented in :mod:`gnosis.options.chain.forward` and :mod:`gnosis.options.chain.cleaning`.

    Examples
    --------
    See :func:`option_greeks` for the frames.

    >>> tables = (TABLES[name].empty() for name in ("raw.option_quotes", "raw.macro"))
    >>> [frame.height for frame in chain_analytics(*tables)]
    [0, 0]
    """
    require_table(quotes, "raw.option_quotes")
    require_table(macro, "raw.macro")
    if dividends is not None:
        require_table(dividends, "raw.dividends")
    if as_of is not None:
        quotes, macro = _known_by(as_of, quotes), _known_by(as_of, macro)
        dividends = None if dividends is None else _known_by(as_of, dividends)
    if quotes.is_empty():
        return ChainAnalytics(TABLES["greeks.option_greeks"].empty(), TABLES["greeks.forwards"].empty())
    quoted, _ = cleaning.split_duplicates(quotes)
    quoted = _with_known_open_interest(quoted)
    rows = contracts(quoted)
    belonging = layout(rows)
    times = _times(quoted, rows, macro)
    tau, rate = times.per_row("tau_years"), times.per_row("rate_per_year")
    discount = np.exp(-rate * tau)
    is_late = times.per_row("is_late")
    serves = ~is_late | ~belonging.per_expiry(np.logical_or, ~is_late)[belonging.expiry_of_row]
    newest = newest_rows(rows.ts, serves, belonging)
    declared = None if dividends is None else _declared(quoted, times, newest, dividends)

    seconds_left, seconds_old = times.per_row("seconds_left"), times.per_row("seconds_old")
    is_settled, is_adjusted = seconds_left <= 0.0, cleaning.is_adjusted(quoted)
    is_denied = is_settled | is_adjusted | is_late
    is_tradable = cleaning.is_two_sided(rows) & ~is_denied & (seconds_old <= cleaning.MAX_AGE_SECONDS)
    flags = cleaning.arbitrage_flags(rows, is_tradable, belonging)
    reason = cleaning.quote_reason(
        rows,
        seconds_old,
        settled=is_settled,
        no_rate=np.isnan(rate) & ~is_late,
        adjusted=is_adjusted,
        repeated=cleaning.is_repeated(rows, ~is_late),
        late=is_late,
    )
    mid = np.where(reason == NO_REASON, 0.5 * (rows.bid + rows.ask), np.nan)
    terms = market(rows, mid, tau, rate, newest, belonging, declared)
    _require_less_than_spot(quoted[newest], terms)
    forward = terms.forward[belonging.expiry_of_row]
    reason = np.minimum(reason, cleaning.price_reason(rows, mid, forward, discount))
    own = strike_volatility(rows, reason == NO_REASON, tau, discount, terms.forward, belonging, declared)
    reason = np.where(reason == NO_REASON, own.reason[belonging.of_row], reason)
    no_open_interest = quoted["open_interest"].is_null().to_numpy()
    reason = np.minimum(reason, cleaning.first_reason(reason.size, oi_missing=no_open_interest))
    log_moneyness = np.log(rows.strike[belonging.any_row] / terms.forward[belonging.expiry])
    lookup = smile(log_moneyness, own.iv, belonging.starts)
    volatility = _volatility_columns(own, lookup, is_denied, belonging)
    greeks = black_scholes.greeks(rows.spot, rows.strike, tau, forward, discount, volatility["iv"], rows.is_call)
    origin, of_expiry = _origin(quoted, times, serves, belonging, declared)

    columns: dict[str, np.ndarray | pl.Series] = {
        "mid": mid,
        "tau_years": tau,
        "is_tau_floored": times.per_row("is_tau_floored"),
        "dte_days": times.per_row("dte_days"),
        "forward": forward,
        "forward_source": SOURCES.gather(terms.source[belonging.expiry_of_row]),
        "discount": discount,
        "reason": cleaning.LABELS.gather(reason),
        **flags._asdict(),
        **volatility,
        **{name: getattr(greeks, name) for name in GREEK_COLUMNS},
        **origin,
    }
    of_expiries: dict[str, np.ndarray | pl.Series] = {
        "settles_at": times.table["settles_at"].gather(times.of_row[newest]),
        "dte_days": times.per_row("dte_days")[newest],
        "n_contracts": np.bincount(belonging.expiry_of_row, minlength=newest.size),
        "n_accepted_strikes": np.bincount(belonging.expiry[~np.isnan(own.iv)], minlength=newest.size),
        **of_expiry,
    }
    return ChainAnalytics(
        _as_table(_with(quoted, columns), "greeks.option_greeks"),
        _as_table(forwards(quoted, newest, terms, of_expiries), "greeks.forwards"),
    )


def _known_by(as_of: dt.datetime, rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out what was known later."""
    if as_of.tzinfo is None:
        raise ValueError(f"as_of: expected a moment with time zone, found {as_of}; give it tzinfo=datetime.UTC")
    return rows.filter(pl.col("known_at") <= as_of)


def _as_table(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    schema = TABLES[name].polars_schema
    return frame.select(list(schema)).cast(schema)


def _with(frame: pl.DataFrame, columns: dict[str, np.ndarray | pl.Series]) -> pl.DataFrame:
    return frame.with_columns(pl.Series(name, values, nan_to_null=True) for name, values in columns.items())


def _with_known_open_interest(quotes: pl.DataFrame) -> pl.DataFrame:
    """Take away open interest that was published after the session; of unknown session it was shown with the quote."""
    if not (quotes["oi_session"] >= quotes["session"]).any():
        return quotes
    is_known = (pl.col("oi_session") < pl.col("session")).fill_null(True)
    return quotes.with_columns(pl.when(is_known).then(name).alias(name) for name in ("open_interest", "oi_session"))


def _times(quotes: pl.DataFrame, rows: Contracts, macro: pl.DataFrame) -> Times:
    """Return settlement, time and rate of every run of rows with one session, expiry, settlement and instant.

    Late runs have no rate: theirs would be one of a later day.
    """
    is_first = changes(rows.session, rows.expiry, rows.settlement, rows.ts)
    runs = quotes.select("session", "expiry", "settlement", "ts").filter(pl.Series(is_first))
    table = clock.with_settlement(runs).with_columns(
        tau_years=clock.tau_years(),
        is_tau_floored=clock.is_tau_floored(),
        dte_days=clock.dte_days(),
        seconds_left=clock.seconds_to_settlement(),
        seconds_old=(pl.col("chain_at") - pl.col("ts")).dt.total_microseconds() / 1e6,
        is_late=pl.col("ts") - pl.col("close_at") > cleaning.MAX_AFTER_CLOSE,
    )
    instants = table["ts"].unique().sort()
    curves = curves_known_at(macro, instants)
    which = instants.search_sorted(table["ts"]).to_numpy()
    rate, is_late = rate_at(curves.rate_per_year[which], table["tau_years"].to_numpy()), table["is_late"]
    return Times(
        np.cumsum(is_first) - 1,
        table.with_columns(
            rate_per_year=pl.Series(np.where(is_late, np.nan, rate)),
            rate_provider=pl.when(~is_late).then(curves.provider.gather(which)),
            rate_synthetic=pl.Series(curves.synthetic[which]) & ~is_late,
        ),
    )


def _declared(quotes: pl.DataFrame, times: Times, newest: Positions, dividends: pl.DataFrame) -> DeclaredDividends:
    expiries = quotes.select("session", "symbol", "expiry", "ts")[newest]
    return declared_dividends(expiries.with_columns(tau_years=pl.Series(times.per_row("tau_years")[newest])), dividends)


def _volatility_columns(
    own: StrikeVolatility, found: Smile, is_denied: Flags, belonging: Layout
) -> dict[str, np.ndarray | pl.Series]:
    """Return the columns about volatility per row; rows that are denied one have none, whatever their strike has."""
    strike = belonging.of_row
    source = np.where(is_denied, NO_IV, found.source[strike])
    is_own = source == OWN
    model = np.where(is_own, own.is_tree[strike].astype(np.int8), np.int8(2))
    return {
        "iv": np.where(is_denied, np.nan, found.iv[strike]),
        "iv_source": SOURCE_LABELS.gather(source),
        "iv_bid": np.where(is_own, own.iv_bid[strike], np.nan),
        "iv_ask": np.where(is_own, own.iv_ask[strike], np.nan),
        "iv_error": np.where(is_own, own.error[strike], np.nan),
        "exercise_model": MODELS.gather(model),
    }


def _origin(
    quotes: pl.DataFrame, times: Times, serves: Flags, belonging: Layout, declared: DeclaredDividends | None
) -> tuple[dict[str, pl.Series], dict[str, pl.Series]]:
    """Return the origin of each row and of each expiry: its quotes, their rates and the dividends that were counted.

    A row that does not serve its expiry has its own origin beside that of the expiry.
    """
    rate_provider = times.table["rate_provider"]
    also = [] if declared is None else [declared.provider]
    providers = Providers(quotes["provider"], rate_provider, *also)
    own_known_at = quotes["known_at"].to_physical().to_numpy()
    own_members = providers.members(quotes["provider"]) | providers.members(rate_provider)[times.of_row]
    own_synthetic = quotes["synthetic"].to_numpy() | times.per_row("rate_synthetic")
    known_at = belonging.per_expiry(np.maximum, np.where(serves, own_known_at, np.iinfo(np.int64).min))
    members = belonging.per_expiry(np.bitwise_or, np.where(serves, own_members, 0))
    synthetic = belonging.per_expiry(np.logical_or, serves & own_synthetic)
    if declared is not None:
        np.bitwise_or.at(members, declared.expiry, providers.members(declared.provider))
        np.logical_or.at(synthetic, declared.expiry, declared.synthetic)

    def columns(known_at: np.ndarray, members: np.ndarray, synthetic: np.ndarray) -> dict[str, pl.Series]:
        return {
            "known_at": pl.Series(known_at).cast(quotes.schema["known_at"]),
            "provider": providers.joined(members),
            "synthetic": pl.Series(synthetic),
        }

    of_expiry = columns(known_at, members, synthetic)
    expiry = belonging.expiry_of_row
    if serves.all():
        return {name: values.gather(expiry) for name, values in of_expiry.items()}, of_expiry
    own = (np.maximum(known_at[expiry], own_known_at), members[expiry] | own_members, synthetic[expiry] | own_synthetic)
    return columns(*own), of_expiry


def _require_less_than_spot(expiries: pl.DataFrame, terms: Market) -> None:
    wrong = np.flatnonzero(terms.dividends_usd >= terms.spot)
    if wrong.size:
        row = expiries.row(int(wrong[0]), named=True)
        raise ValueError(
            f"raw.dividends: expected declared dividends of {row['symbol']} up to {row['expiry']} worth less than the "
            f"spot of {row['spot']} $ on {row['session']}, found {terms.dividends_usd[wrong[0]]:.4f} $; amount_usd is "
            "per share as traded on ex_date: correct the announcement, or take it back with an amount of 0"
        )
