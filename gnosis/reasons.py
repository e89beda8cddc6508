"""Reason codes: why a value is null or a confidence is low. Every row with confidence below 0.8 lists at least one."""

from __future__ import annotations

import polars as pl

LEAST_SHARE = 0.6
"""Coverage below which a result counts as incomplete (LOW_COVERAGE and the like)."""

SURE = 0.8
"""Confidence from which on a row needs no reason."""

REASONS: dict[str, str] = {
    "NO_CHAIN": "no contract has a usable volatility",
    "STALE_QUOTES": "too many quotes near the money are old",
    "LOW_COVERAGE": "too few listed contracts, or too little of their open interest, have a usable volatility",
    "WIDE_SPREADS": "too many quotes near the money are too wide",
    "OI_MISSING": "no contract has a known open interest",
    "OI_STALE": "most open interest is older than the session before",
    "OI_SESSION_UNKNOWN": "open interest of an unknown session was used as shown at the quote",
    "SIGN_UNDETERMINED": "the dealer side is an assumption that the data do not support",
    "CERTIFICATE_FAILED": "the volatility surface admits arbitrage",
    "NO_BOOK": "no order book",
    "PARTIAL_BOOK": "the order book lacks levels",
    "NO_INTRADAY": "no intraday bars",
    "LAMBDA_INSIGNIFICANT": "the regression slope of price on flow is not significant",
    "DEPTH_PROXY": "depth follows from daily bars by the linear law, not from flow or a book",
    "SPREAD_PROXY": "the spread is estimated from daily bars",
    "SHORTS_STALE": "off-exchange short volume is old",
    "SOURCE_MISSING": "an expected input is absent",
    "FEW_DOCUMENTS": "too few documents",
    "SCORER_FALLBACK": "documents were scored by word lists",
    "UNCALIBRATED": "the reference sample is too short to standardise",
    "SHORT_HISTORY": "fewer sessions than the definition looks back on",
    "UNDEFINED": "the definition gives no value: no move, no volume, or too few sessions of the kind it asks for",
    "BOUND_VIOLATION": "a value lies outside the range that its units allow",
    "SYNTHETIC_INPUT": "an input was generated rather than observed",
    "CLOSE_UNVERIFIED": "no second service confirmed the session's close",
    "CLOSE_DISPUTED": "services disagreed on the session's close; that of the median one was taken",
}
"""Meaning of every code, in the order in which codes are written into a row.

Examples
--------
>>> REASONS["OI_MISSING"]
'no contract has a known open interest'
"""


def reasons_where(conditions: dict[str, pl.Expr]) -> pl.Expr:
    """Return the codes whose condition holds, joined by ',' in the order of :data:`REASONS`.

    Raises
    ------
    ValueError
        When a code does not exist.

    Examples
    --------
    >>> frame = pl.DataFrame({"oi": [None, 1.0]})
    >>> found = reasons_where({"OI_MISSING": pl.col("oi").is_null(), "DEPTH_PROXY": pl.lit(True)})
    >>> frame.select(found).to_series().to_list()
    ['OI_MISSING,DEPTH_PROXY', 'DEPTH_PROXY']
    """
    unknown = set(conditions) - set(REASONS)
    if unknown:
        raise ValueError(f"expected reason codes out of {list(REASONS)}, found {sorted(unknown)}")
    codes = [pl.when(conditions[code]).then(pl.lit(code)) for code in REASONS if code in conditions]
    return pl.concat_str(codes, separator=",", ignore_nulls=True)
