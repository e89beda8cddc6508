"""Who holds which side: the dealer fraction x of a contract under a sign convention.

x = +1 means that dealers are long all of the open interest, -1 that they are short all of it. Open interest does not
say who is long, and public sources contradict each other, so every convention is an assumption, it is a column of
every exposure row, and results are published beside the bands of :mod:`gnosis.options.positioning.bands`.

================= ====== ====== ===============================================================================
``naive``         +1 C   -1 P   practitioners' rule, the default: dealers long calls, short puts
``customer_long`` -1 C   -1 P   dealers are net sellers of everything
``inverted``      -1 C   +1 P   found in public tools; for comparison only, never a default
``flow_signed``   by contract   x = -q/OI, q the cumulative signed customer volume: :func:`flow_fractions`
``open_close``    by contract   x = -q/OI, q the open positions of all but market makers: :func:`open_close_fractions`
================= ====== ====== ===============================================================================

Attribution. Gamma exposure in dollars, the call-plus, put-minus rule and zero-gamma levels are practitioners'
constructions; none of them is taken from the papers below. The naive rule is a statement about participants in index
options; for single names its sign is undetermined (:func:`gnosis.options.positioning.bands.sign_reason`).

Evidence. Who demands options: Gârleanu, Pedersen & Poteshman (2009). That hedging moves the underlying: Ni, Pearson,
Poteshman & White (2021), Barbon & Buraschi (2021), Baltussen, Da, Lammers & Martens (2021). Options that expire the
same day: Adams, Fontaine & Ornthanalai (2024), Dim, Eraker & Vilkov (2024), Amaya, Garcia-Ares, Pearson & Vasquez
(2025). What is opened and closed within a day never shows in open interest, and so in no convention here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from gnosis.options.chain.layout import CHAIN
from gnosis.options.positioning.contracts import ORDER, is_late, one_version, require_contracts
from gnosis.tables import TABLES
from gnosis.tables.dictionary import ORIGIN
from gnosis.tables.greeks import SIGN_CONVENTIONS

DEALER_FRACTION = {
    "naive": {"C": 1.0, "P": -1.0},
    "customer_long": {"C": -1.0, "P": -1.0},
    "inverted": {"C": -1.0, "P": 1.0},
}
BY_CONTRACT = [name for name in SIGN_CONVENTIONS if name not in DEALER_FRACTION]
MARKET_MAKER = "market_maker"
_GREEKS = TABLES["greeks.option_greeks"]
CONTRACT = _GREEKS.key
_IDENTIFIED = {name: _GREEKS.polars_schema[name] for name in [*CONTRACT, *ORIGIN]}
FLOW_SCHEMA = _IDENTIFIED | {"customer_net_contracts": pl.Float64()}
POSITIONS_SCHEMA = _IDENTIFIED | {
    "participant": pl.String(),
    "long_open_contracts": pl.Float64(),
    "short_open_contracts": pl.Float64(),
}
FRACTIONS_SCHEMA = _IDENTIFIED | {"sign_convention": pl.Enum(SIGN_CONVENTIONS), "x": pl.Float64()}


class Fractions(NamedTuple):
    """Dealer fractions by contract, and the contracts that got none because the source contradicts open interest.

    Attributes
    ----------
    fractions
        Columns of :data:`FRACTIONS_SCHEMA`: the key of ``greeks.option_greeks``, ``known_at``, ``provider`` and
        ``synthetic`` of what the fraction was made from, ``sign_convention`` and ``x`` in [-1, 1]; sorted by key.
    violations
        Contracts with \\|q\\| > OI: their key, ``customer_net_contracts`` and ``open_interest`` (contracts), sorted.
        Each means trades that are missing or signed wrongly and is to be raised as a data-quality event.
    """

    fractions: pl.DataFrame
    violations: pl.DataFrame


def require_conventions(names: Sequence[str], fractions: pl.DataFrame | None = None) -> list[str]:
    """Return the conventions in the order of the data dictionary, or raise when one cannot be computed.

    Raises
    ------
    ValueError
        With the name that does not exist and those that do; when no convention or a single string is given; or when a
        convention by contract has no rows in ``fractions``.

    Examples
    --------
    >>> require_conventions(["customer_long", "naive"])
    ['naive', 'customer_long']
    """
    if isinstance(names, str) or not names:
        raise ValueError(f"conventions: expected a list out of {SIGN_CONVENTIONS}, found {names!r}")
    unknown = [name for name in names if name not in SIGN_CONVENTIONS]
    if unknown:
        raise ValueError(f"conventions: expected names out of {SIGN_CONVENTIONS}, found {unknown[0]!r}")
    given = [] if fractions is None else require_fractions(fractions)["sign_convention"].unique().to_list()
    missing = [name for name in BY_CONTRACT if name in names and name not in given]
    if missing:
        maker = "flow_fractions" if missing[0] == "flow_signed" else "open_close_fractions"
        raise ValueError(
            f"conventions: expected dealer fractions by contract for {missing[0]!r}, found "
            f"{'none' if fractions is None else f'those of {sorted(given)}'}; make them with {maker}"
        )
    return [name for name in SIGN_CONVENTIONS if name in names]


def dealer_fraction(convention: str) -> pl.Expr:
    """Return x by ``right`` under a convention that depends on nothing else.

    Raises
    ------
    ValueError
        When the convention is unknown or goes by contract.

    Examples
    --------
    >>> pl.DataFrame({"right": ["C", "P"]}).select(dealer_fraction("naive"))["x"].to_list()
    [1.0, -1.0]
    """
    (name,) = require_conventions([convention])
    fraction = DEALER_FRACTION[name]
    return pl.when(pl.col("right") == "C").then(fraction["C"]).otherwise(fraction["P"]).alias("x")


def require_fractions(fractions: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of :data:`FRACTIONS_SCHEMA`, or raise when a row is no dealer fraction.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, x is null or outside [-1, 1], a convention does not go by
        contract, or a contract has two rows under one convention.
    """
    _require_columns(fractions, FRACTIONS_SCHEMA, "fractions")
    wrong = fractions.filter(~pl.col("x").is_between(-1, 1).fill_null(False))
    if not wrong.is_empty():
        raise ValueError(f"fractions: expected x in [-1, 1], found {wrong.select(*CONTRACT, 'x').row(0)}")
    other = fractions.filter(~pl.col("sign_convention").cast(pl.String).is_in(BY_CONTRACT))
    if not other.is_empty():
        raise ValueError(
            f"fractions: expected sign_convention out of {BY_CONTRACT}, found {other['sign_convention'][0]!r}"
        )
    _require_unique(fractions, [*CONTRACT, "sign_convention"], "fractions")
    return fractions.select(list(FRACTIONS_SCHEMA))


def flow_fractions(greeks: pl.DataFrame, flow: pl.DataFrame) -> Fractions:
    """Return x = -q/OI from classified trades, for the convention ``flow_signed``.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks``.
    flow
        Columns of :data:`FLOW_SCHEMA`, one row per contract: ``customer_net_contracts`` is q, the customers' buys
        minus sells since the contract was listed, in contracts, up to the session whose open interest is in
        ``greeks``. Trades of later sessions are not in that open interest and must not be in q. Rows known later than
        the latest quote of their chain are not read.

    Returns
    -------
    Fractions
        Contracts without a known open interest, and rows of ``flow`` whose contract is not in ``greeks``, have no x.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, q is null or not finite, a contract has two rows, or an open
        interest is negative or not finite.

    Examples
    --------
    >>> import datetime as dt
    >>> noon = dt.datetime(2019, 5, 15, 16, tzinfo=dt.UTC)
    >>> key = {"session": noon.date(), "symbol": "XYZ", "expiry": dt.date(2019, 6, 14), "settlement": "pm"}
    >>> key |= {"right": "C", "strike": 105.0, "root": "XYZ", "ts": noon}
    >>> origin = {"known_at": noon, "provider": "example", "synthetic": True}
    >>> greeks = pl.DataFrame([key | origin | {"open_interest": 1000.0}], schema=_GREEKS.polars_schema)
    >>> flow = pl.DataFrame([key | origin | {"customer_net_contracts": 250.0}], schema=FLOW_SCHEMA, strict=False)
    >>> flow_fractions(greeks, flow).fractions["x"].item()
    -0.25
    """
    _require_columns(flow, FLOW_SCHEMA, "flow")
    flow = _known_by_the_quotes(greeks, flow)
    _require_unique(flow, CONTRACT, "flow")
    return _fractions(greeks, flow, "flow_signed")


def open_close_fractions(greeks: pl.DataFrame, positions: pl.DataFrame) -> Fractions:
    """Return x = -q/OI from open positions by type of participant, for the convention ``open_close``.

    q is the net position of everybody but market makers; every contract has one long and one short side, so that
    market makers hold the opposite (Gârleanu, Pedersen & Poteshman 2009 measure end users' demand this way).

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks``.
    positions
        Columns of :data:`POSITIONS_SCHEMA`, one row per contract and ``participant``: ``long_open_contracts`` and
        ``short_open_contracts`` are the positions still open (contracts, >= 0) in the session whose open interest is
        in ``greeks``: cumulative opening buys minus closing sells, and opening sells minus closing buys. All
        participants except ``market_maker`` count as customers; rows of market makers may be left out. Rows known
        later than the latest quote of their chain are not read.

    Returns
    -------
    Fractions
        As :func:`flow_fractions`.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, a position or an open interest is negative or not finite, a
        position is null, or a contract has two rows of one participant.

    Examples
    --------
    >>> import datetime as dt
    >>> noon = dt.datetime(2019, 5, 15, 16, tzinfo=dt.UTC)
    >>> key = {"session": noon.date(), "symbol": "XYZ", "expiry": dt.date(2019, 6, 14), "settlement": "pm"}
    >>> key |= {"right": "C", "strike": 105.0, "root": "XYZ", "ts": noon}
    >>> key |= {"known_at": noon, "provider": "example", "synthetic": True}
    >>> greeks = pl.DataFrame([key | {"open_interest": 1000.0}], schema=_GREEKS.polars_schema)
    >>> open_in = {"participant": "customer", "long_open_contracts": 700.0, "short_open_contracts": 100.0}
    >>> open_close_fractions(greeks, pl.DataFrame([key | open_in], schema=POSITIONS_SCHEMA)).fractions["x"].item()
    -0.6
    """
    _require_columns(positions, POSITIONS_SCHEMA, "positions")
    positions = _known_by_the_quotes(greeks, positions)
    _require_unique(positions, [*CONTRACT, "participant"], "positions")
    sides = pl.col("long_open_contracts"), pl.col("short_open_contracts")
    is_position = pl.all_horizontal(*(side.is_finite() & (side >= 0) for side in sides))
    wrong = positions.filter(~is_position.fill_null(False))
    if not wrong.is_empty():
        raise ValueError(
            f"positions: expected open contracts >= 0, found {wrong.select(list(POSITIONS_SCHEMA)).row(0)}"
        )
    customers = positions.filter(pl.col("participant") != MARKET_MAKER).with_columns(
        customer_net_contracts=sides[0] - sides[1]
    )
    net = (
        customers.sort(*CONTRACT, "participant")
        .group_by(CONTRACT, maintain_order=True)
        .agg(
            pl.col("known_at").max(),
            pl.col("provider").str.split("+").explode().unique().sort().str.join("+"),
            pl.col("synthetic").any(),
            pl.col("customer_net_contracts").sum(),
        )
    )
    return _fractions(greeks, net, "open_close")


def _fractions(greeks: pl.DataFrame, net: pl.DataFrame, convention: str) -> Fractions:
    """Divide the customers' net contracts by open interest and set aside what exceeds it."""
    q = pl.col("customer_net_contracts")
    wrong = net.filter(~q.is_finite().fill_null(False))
    if not wrong.is_empty():
        raise ValueError(f"flow: expected finite customer_net_contracts, found {wrong.select(*CONTRACT, q).row(0)}")
    known = one_version(greeks, ORDER).filter(pl.col("open_interest").is_not_null()).select(*CONTRACT, "open_interest")
    held = net.join(known, on=CONTRACT, how="inner").sort(CONTRACT)
    is_violation = q.abs() > pl.col("open_interest")
    signed = held.filter(~is_violation & (pl.col("open_interest") > 0))
    # 0 - q, so that no flow gives +0.0; in NumPy, as Polars multiplies by the reciprocal of a column of one value.
    x = (0.0 - signed["customer_net_contracts"].to_numpy()) / signed["open_interest"].to_numpy()
    fractions = signed.with_columns(x=pl.Series(x), sign_convention=pl.lit(convention, dtype=pl.Enum(SIGN_CONVENTIONS)))
    return Fractions(
        fractions.select(list(FRACTIONS_SCHEMA)),
        held.filter(is_violation).select(*CONTRACT, q, "open_interest"),
    )


def _known_by_the_quotes(greeks: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that were known by the latest quote of their chain."""
    require_contracts(greeks)
    quoted = greeks.filter(~is_late()).group_by(CHAIN).agg(pl.col("ts").max())
    known = rows.join(quoted, on=CHAIN, how="inner", maintain_order="left").filter(pl.col("known_at") <= pl.col("ts"))
    return known.select(rows.columns)


def _require_columns(frame: pl.DataFrame, schema: dict[str, pl.DataType], name: str) -> None:
    """Raise unless the frame has the columns of a schema with their dtypes."""
    for column, dtype in schema.items():
        if frame.schema.get(column) != dtype:
            found = frame.schema.get(column, f"only {frame.columns}")
            raise ValueError(f"{name}: expected a column {column!r} as {dtype}, found {found}")


def _require_unique(frame: pl.DataFrame, by: list[str], name: str) -> None:
    """Raise when two rows have the same key."""
    repeated = frame.filter(frame.select(by).is_duplicated())
    if not repeated.is_empty():
        raise ValueError(f"{name}: expected one row per {', '.join(by)}, found two of {repeated.select(by).row(0)}")
