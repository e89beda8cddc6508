"""What can stand between a decision and its label, as small codes and as the words of ``models.labels``.

Of the reasons that the table allows, daily bars tell of four. Nobody tells this house of a delisting: a share that
stops trading has gaps, and its last label is null rather than guessed. A tail does not exist, see
:mod:`gnosis.learning.labels`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from gnosis.tables import TABLES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRADED, NO_BAR, HALTED, NO_SCALE, AMBIGUOUS = range(5)
"""Halted: there is a bar, but without volume and without range. Ambiguous: one bar touched both barriers."""

_REASONS = (None, "gap", "halted", "warmup_sigma", "ambiguous_bar")


def reasons(codes: NDArray[np.int8], column: str) -> pl.Series:
    """Return the reason of each code as it is stored in a column of ``models.labels``, null for none.

    Raises
    ------
    polars.exceptions.InvalidOperationError
        When the column does not have one of the reasons.

    Examples
    --------
    >>> import numpy as np
    >>> reasons(np.array([TRADED, HALTED], dtype=np.int8), "reason").to_list()
    [None, 'halted']
    """
    words = pl.Series(column, _REASONS, dtype=pl.String).gather(codes)
    return words.cast(TABLES["models.labels"].polars_schema[column])
