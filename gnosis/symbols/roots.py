"""Option roots: which chain a root belongs to, and how its contracts settle and are exercised."""

from __future__ import annotations

from typing import Literal, NamedTuple

import polars as pl


class OptionRoot(NamedTuple):
    """Terms that every contract of one root shares.

    Attributes
    ----------
    chain
        Symbol under which ``raw.option_quotes`` keeps the contracts.
    underlying
        Canonical symbol of what the contract settles on.
    settlement
        "am" when the opening prices of the expiry settle it, "pm" when the closing prices do.
    style
        "A" for American, "E" for European exercise.
    """

    chain: str
    underlying: str
    settlement: Literal["am", "pm"]
    style: Literal["A", "E"]


ROOTS: dict[str, OptionRoot] = {
    "SPX": OptionRoot("SPX", "^GSPC", "am", "E"),
    "SPXW": OptionRoot("SPX", "^GSPC", "pm", "E"),
    "XSP": OptionRoot("XSP", "^XSP", "pm", "E"),
    "NDX": OptionRoot("NDX", "^NDX", "am", "E"),
    "NDXP": OptionRoot("NDX", "^NDX", "pm", "E"),
    "XND": OptionRoot("XND", "^XND", "pm", "E"),
    "RUT": OptionRoot("RUT", "^RUT", "am", "E"),
    "RUTW": OptionRoot("RUT", "^RUT", "pm", "E"),
    "MRUT": OptionRoot("MRUT", "^MRUT", "pm", "E"),
    "VIX": OptionRoot("VIX", "^VIX", "am", "E"),
    "VIXW": OptionRoot("VIX", "^VIX", "am", "E"),
    "DJX": OptionRoot("DJX", "^DJX", "am", "E"),
    "OEX": OptionRoot("OEX", "^OEX", "pm", "A"),
    "XEO": OptionRoot("XEO", "^OEX", "pm", "E"),
    "MXEA": OptionRoot("MXEA", "^MXEA", "am", "E"),
    "MXEF": OptionRoot("MXEF", "^MXEF", "am", "E"),
    "BRKB": OptionRoot("BRK.B", "BRK.B", "pm", "A"),
    "BFB": OptionRoot("BF.B", "BF.B", "pm", "A"),
}
"""Roots whose terms differ from those of a share or fund, or whose name is not that of the share."""

INDEX_CHAINS = tuple(sorted({root.chain for root in ROOTS.values() if root.underlying.startswith("^")}))
"""Chains on indices, by the name that the exchange gives the index."""

_CHAIN_OF = {root.underlying: root.chain for root in reversed(ROOTS.values())}


def chain_symbol(underlying: str) -> str:
    """Return the symbol under which ``raw.option_quotes`` keeps the chain of a canonical symbol.

    Of two chains on one index it is the first in :data:`ROOTS`: OEX for ``^OEX``, not XEO.

    Examples
    --------
    >>> chain_symbol("^GSPC"), chain_symbol("BRK.B"), chain_symbol("AAPL")
    ('SPX', 'BRK.B', 'AAPL')
    """
    return _CHAIN_OF.get(underlying, underlying)


def root_terms(root: str | pl.Expr) -> pl.Expr:
    """Return the terms of option roots, as a struct.

    A root that is not in :data:`ROOTS` is that of a share or fund: settled in the afternoon, American, its underlying
    the share itself. A root that ends in a digit belongs to contracts adjusted after a corporate action; what they
    deliver is not in the name, so they stay a chain of their own and are never mixed with the standard contracts.

    Parameters
    ----------
    root
        Column of roots (String).

    Returns
    -------
    polars.Expr
        Struct ``chain``, ``underlying``, ``settlement`` ("am", "pm"), ``style`` ("A", "E"), all String, and
        ``is_adjusted`` (Boolean). Fields of a null root are null.

    Examples
    --------
    >>> frame = pl.DataFrame({"root": ["SPXW", "AAPL", "AAPL1"]})
    >>> for row in frame.select(root_terms("root").alias("terms")).unnest("terms").rows():
    ...     print(row)
    ('SPX', '^GSPC', 'pm', 'E', False)
    ('AAPL', 'AAPL', 'pm', 'A', False)
    ('AAPL1', 'AAPL', 'pm', 'A', True)
    """
    name = pl.col(root) if isinstance(root, str) else root
    standard = name.str.replace(r"\d$", "")
    return pl.struct(
        chain=name.replace({key: terms.chain for key, terms in ROOTS.items()}),
        underlying=standard.replace({key: terms.underlying for key, terms in ROOTS.items()}),
        settlement=_other_than(name, "am", "pm", {key for key, terms in ROOTS.items() if terms.settlement == "am"}),
        style=_other_than(name, "E", "A", {key for key, terms in ROOTS.items() if terms.style == "E"}),
        is_adjusted=name.str.contains(r"\d$"),
    )


def _other_than(name: pl.Expr, special: str, usual: str, roots: set[str]) -> pl.Expr:
    is_special = name.is_in(sorted(roots))
    return pl.when(is_special).then(pl.lit(special)).when(is_special.not_()).then(pl.lit(usual))
