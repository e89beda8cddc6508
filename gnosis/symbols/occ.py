"""Names of option contracts as the Options Clearing Corporation writes them: root, expiry, right and strike.

The standard pads the root to six characters (``AAPL  261218C00100000``); most services leave the spaces out, and some
put ``O:`` in front. Years are those of this century and strikes are dollars times 1,000. The name does not say what an
adjusted contract (``AAPL1``) delivers: it is flagged, and its deliverable must come from elsewhere.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

_PADDED_LENGTH = 21
_ROOT_LENGTH = 6
_TERMS_LENGTH = 15
_PATTERN = r"^(?<root>[A-Z]+\d?) *(?<expiry>\d{6})(?<right>[CP])(?<strike>\d{8})$"
_FIRST_DAY, _LAST_DAY = dt.date(2000, 1, 1), dt.date(2099, 12, 31)
_FIELDS = {
    "root": pl.String,
    "expiry": pl.Date,
    "right": pl.String,
    "strike": pl.Float64,
    "is_adjusted": pl.Boolean,
}


def contract_fields(text: str | pl.Expr) -> pl.Expr:
    """Return root, expiry, right and strike of contract names, as a struct.

    Parameters
    ----------
    text
        Column of names (String), padded or not, with or without ``O:``.

    Returns
    -------
    polars.Expr
        Struct ``root`` (String), ``expiry`` (Date), ``right`` ("C" or "P"), ``strike`` (Float64, $) and
        ``is_adjusted`` (Boolean: the root ends in a digit). All fields are null where the text is not a contract: a
        root of more than six characters, an impossible date, a strike of 0, spaces in any other place than the padding.
        Roots that begin with a digit (contracts with negotiated terms) are not read.

    Examples
    --------
    >>> names = pl.DataFrame({"contract": ["AAPL  261218C00100000", "O:SPXW261218P04500000", "SPX261318C00100000"]})
    >>> for row in names.select(contract_fields("contract").alias("fields")).unnest("fields").rows():
    ...     print(row)
    ('AAPL', datetime.date(2026, 12, 18), 'C', 100.0, False)
    ('SPXW', datetime.date(2026, 12, 18), 'P', 4500.0, False)
    (None, None, None, None, None)
    """
    column = pl.col(text) if isinstance(text, str) else text
    name = column.str.strip_prefix("O:")
    groups = name.str.extract_groups(_PATTERN)
    root = groups.struct["root"]
    expiry = ("20" + groups.struct["expiry"]).str.to_date("%Y%m%d", strict=False)
    digits = groups.struct["strike"]
    # Polars divides by a constant with its reciprocal, which gives another double than the decimal number is.
    strike = (digits.str.head(5) + "." + digits.str.tail(3)).cast(pl.Float64, strict=False)
    length = name.str.len_bytes()
    whole = (length == root.str.len_bytes() + _TERMS_LENGTH) | (length == _PADDED_LENGTH)
    valid = (root.str.len_bytes() <= _ROOT_LENGTH) & whole & expiry.is_not_null() & (strike > 0)
    parts = (root, expiry, groups.struct["right"], strike, root.str.contains(r"\d$"))
    return pl.struct(
        pl.when(valid).then(part).otherwise(None).alias(field) for field, part in zip(_FIELDS, parts, strict=True)
    )


def parse_contracts(names: pl.Series) -> pl.DataFrame:
    """Return the fields of contract names and whether each name is one.

    Parameters
    ----------
    names
        Names of contracts (String).

    Returns
    -------
    polars.DataFrame
        Columns of :func:`contract_fields` and ``is_contract`` (Boolean, never null), one row per name, in order.

    Examples
    --------
    >>> parse_contracts(pl.Series(["AAPL1 261218C00012500", "AAPL"])).rows()
    [('AAPL1', datetime.date(2026, 12, 18), 'C', 12.5, True, True), (None, None, None, None, None, False)]
    """
    fields = names.cast(pl.String).alias("name").to_frame().select(contract_fields("name").alias("fields"))
    return fields.unnest("fields").cast(pl.Schema(_FIELDS)).with_columns(is_contract=pl.col("root").is_not_null())


def format_contracts(contracts: pl.DataFrame, *, padded: bool = False, prefix: str = "") -> pl.Series:
    """Return the names of contracts.

    Parameters
    ----------
    contracts
        Columns ``root`` (String), ``expiry`` (Date), ``right`` ("C" or "P") and ``strike`` ($).
    padded
        Pad the root to six characters, as the standard says.
    prefix
        Written in front, for example ``O:``.

    Returns
    -------
    polars.Series
        Names (String). Null where the name cannot hold the contract: a strike that is not a multiple of 0.001 $ or not
        between 0.001 and 99,999.999 $, an expiry of another century, a root of more than six characters, a null field.

    Examples
    --------
    >>> import datetime as dt
    >>> row = {"root": "SPXW", "expiry": dt.date(2026, 12, 18), "right": "P", "strike": 4500.0}
    >>> format_contracts(pl.DataFrame([row]), prefix="O:").item()
    'O:SPXW261218P04500000'
    >>> format_contracts(pl.DataFrame([row]), padded=True).item()
    'SPXW  261218P04500000'
    """
    thousandths = pl.col("strike").cast(pl.Float64) * 1000
    whole = thousandths.round()
    # A strike is the nearest double to a multiple of 0.001, so only the last bits of the product may differ.
    exact = (thousandths - whole).abs() <= 1e-9 * whole
    valid = (
        pl.col("root").str.contains(r"^[A-Z]+\d?$")
        & (pl.col("root").str.len_bytes() <= _ROOT_LENGTH)
        & pl.col("expiry").is_between(_FIRST_DAY, _LAST_DAY)
        & pl.col("right").cast(pl.String).is_in(["C", "P"])
        & exact
        & whole.is_between(1, 99_999_999)
    )
    digits = pl.when(valid).then(whole).otherwise(None).cast(pl.Int64).cast(pl.String).str.zfill(8)
    root = pl.col("root").str.pad_end(_ROOT_LENGTH, " ") if padded else pl.col("root")
    name = pl.concat_str(
        pl.lit(prefix), root, pl.col("expiry").dt.strftime("%y%m%d"), pl.col("right").cast(pl.String), digits
    )
    return contracts.select(contract=pl.when(valid).then(name)).to_series()
