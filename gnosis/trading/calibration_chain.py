"""The hash chain of the calibration ledger: which row comes next, and whether all are as they were written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import polars as pl

from gnosis.tables.calibration import CALIBRATION

FIRST_PREVIOUS = "0" * 64
_HASHES = ("previous_sha256", "row_sha256")


class LedgerError(ValueError):
    """A calibration ledger that is not what was written.

    Attributes
    ----------
    position
        Number of the first broken row, from 1.
    """

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a ledger: number and hash of its newest row."""

    n_rows: int = 0
    sha256: str = FIRST_PREVIOUS

    @classmethod
    def of(cls, ledger: pl.DataFrame) -> Head:
        """Return the end of the rows.

        Examples
        --------
        >>> Head.of(CALIBRATION.empty()).n_rows
        0
        """
        if ledger.is_empty():
            return cls()
        newest = ledger.select("sequence", "row_sha256").sort("sequence").row(-1)
        return cls(*newest)


def sealed(rows: pl.DataFrame, head: Head) -> pl.DataFrame:
    """Return rows in their order as the next ones of the ledger: numbered, each hashed with the one before.

    Parameters
    ----------
    rows
        Columns of ``trades.calibration`` but ``sequence`` and the hashes; columns that are not there are null.
    head
        End of the ledger that the rows follow.
    """
    schema = CALIBRATION.polars_schema
    numbered = rows.with_columns(
        pl.int_range(head.n_rows + 1, head.n_rows + 1 + pl.len(), dtype=pl.Int64).alias("sequence"),
        *(pl.lit(None).alias(name) for name in schema if name not in (*rows.columns, "sequence")),
    )
    plain = numbered.select(list(schema)).cast(schema)
    own = _hashes(plain, head.sha256)
    before = [head.sha256, *own][: len(own)]
    return plain.with_columns(
        pl.Series("previous_sha256", before, dtype=pl.String), pl.Series("row_sha256", own, dtype=pl.String)
    )


def verify_chain(ledger: pl.DataFrame) -> int:
    """Compare every row of a ledger with its hash and its predecessor, and return their number.

    Rows missing from the end leave a chain that is whole: that every idea has its birth row shows them.

    Parameters
    ----------
    ledger
        Rows of ``trades.calibration``, any order.

    Raises
    ------
    LedgerError
        Naming the first row that was changed, moved or whose predecessor is missing.

    Examples
    --------
    >>> verify_chain(CALIBRATION.empty())
    0
    """
    rows = ledger.select(list(CALIBRATION.polars_schema)).sort("sequence", maintain_order=True)
    expected = pl.int_range(1, rows.height + 1, eager=True, dtype=pl.Int64)
    wrong = (rows["sequence"] != expected).fill_null(True).arg_true()
    n_numbered = wrong[0] if wrong.len() else rows.height
    own = _hashes(rows.head(n_numbered), FIRST_PREVIOUS)
    before = [FIRST_PREVIOUS, *own][: len(own)]
    stored = rows.head(n_numbered).select(_HASHES).rows()
    for position, (found, previous, sha256) in enumerate(zip(stored, before, own, strict=True), 1):
        if found[0] != previous:
            raise LedgerError(
                position,
                f"expected row {position} of trades.calibration after {previous[:12]}, found it after "
                f"{str(found[0])[:12]}: rows were removed or moved; restore the table from a copy",
            )
        if found[1] != sha256:
            raise LedgerError(
                position,
                f"expected row {position} of trades.calibration with its own hash {sha256[:12]}, found "
                f"{str(found[1])[:12]}: it was changed; restore the table from a copy",
            )
    if n_numbered < rows.height:
        raise LedgerError(
            n_numbered + 1,
            f"expected row {n_numbered + 1} of trades.calibration, found row {rows['sequence'][n_numbered]}: rows were "
            "removed or written twice; restore the table from a copy",
        )
    return rows.height


def _hashes(rows: pl.DataFrame, previous: str) -> list[str]:
    """Return the hash of each row; a chain can only be walked."""
    found = []
    for content in rows.select(_canonical()).to_series():
        previous = hashlib.sha256(f"{previous}\n{content}".encode()).hexdigest()
        found.append(previous)
    return found


def _canonical() -> pl.Expr:
    """Return all that a row says as one text: name and value with their length, floats by their bits.

    Nulls are left out, so that a column added later leaves the hashes of earlier rows as they are.
    """
    parts = []
    for name, dtype in CALIBRATION.polars_schema.items():
        if name in _HASHES:
            continue
        value = pl.col(name)
        if dtype == pl.Float64:
            value = value.reinterpret(dtype=pl.Int64)
        elif dtype.is_temporal() or dtype == pl.Boolean:
            value = value.to_physical() if dtype.is_temporal() else value.cast(pl.Int8)
        said = value.cast(pl.String)
        parts.append(pl.format(f"{name}={{}}:{{}};", said.str.len_bytes(), said))
    return pl.concat_str(parts, ignore_nulls=True)
