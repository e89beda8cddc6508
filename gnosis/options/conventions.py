"""Who holds which side: the dealer fraction x of a contract under a sign convention.

x = +1 means that dealers are long all of the open interest.

Open interest does not say who is long, so the convention is a column of every exposure row. These rules are
practitioners' constructions, not estimates: ``naive`` has dealers long calls and short puts, ``customer_long`` short
everything, ``inverted`` the opposite of naive (found in public tools; for comparison only). For single names the sign
is undetermined.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from gnosis.tables.greeks import SIGN_CONVENTIONS

DEALER_FRACTION = {
    "naive": {"C": 1.0, "P": -1.0},
    "customer_long": {"C": -1.0, "P": -1.0},
    "inverted": {"C": -1.0, "P": 1.0},
}


def require_conventions(names: Sequence[str]) -> list[str]:
    """Return the conventions in the order of the data dictionary, or raise when one is unknown.

    Raises
    ------
    ValueError
        With the name that does not exist and those that do, or when no convention or a single string is given.

    Examples
    --------
    >>> require_conventions(["customer_long", "naive"])
    ['naive', 'customer_long']
    """
    if isinstance(names, str) or not names:
        raise ValueError(f"conventions: expected a list out of {SIGN_CONVENTIONS}, found {names!r}")
    unknown = [name for name in names if name not in DEALER_FRACTION]
    if unknown:
        raise ValueError(f"conventions: expected names out of {SIGN_CONVENTIONS}, found {unknown[0]!r}")
    return [name for name in SIGN_CONVENTIONS if name in names]


def dealer_fraction(convention: str) -> pl.Expr:
    """Return x by ``right`` under a convention.

    Examples
    --------
    >>> pl.DataFrame({"right": ["C", "P"]}).select(dealer_fraction("naive"))["x"].to_list()
    [1.0, -1.0]
    """
    (name,) = require_conventions([convention])
    fraction = DEALER_FRACTION[name]
    return pl.when(pl.col("right") == "C").then(fraction["C"]).otherwise(fraction["P"]).alias("x")
