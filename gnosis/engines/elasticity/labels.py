"""Regime labels from conditions, and reasons of several origins together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.points import Floats
from gnosis.engines.protocol import Bools, ProcessorResult
from gnosis.engines.trailing import Series

Label = TypeVar("Label", bound=StrEnum)


def first_label(kind: type[Label], conditions: Mapping[Label, Bools], is_known: ArrayLike) -> Floats:
    """Return the code of the first label whose condition holds, the last label where none does; NaN where unknown.

    Examples
    --------
    >>> from gnosis.engines.regimes import SkewRegime as S
    >>> first_label(S, {S.FLAT: np.array([True, False]), S.NORMAL: np.array([True, False])}, True).tolist()
    [0.0, 2.0]
    """
    codes = {label: float(position) for position, label in enumerate(kind)}
    rest = list(kind)[-1]
    found = np.select(list(conditions.values()), [codes[label] for label in conditions], codes[rest])
    return np.where(np.asarray(is_known), found, np.nan)


def united(*reasons: Mapping[str, Bools]) -> dict[str, Bools]:
    """Return where any of the mappings gives a reason code.

    Examples
    --------
    >>> found = united({"NO_CHAIN": np.array([True, False])}, {"NO_CHAIN": np.array([False, False])})
    >>> found["NO_CHAIN"].tolist()
    [True, False]
    """
    found: dict[str, Bools] = {}
    for part in reasons:
        for code, where in part.items():
            found[code] = found[code] | where if code in found else where
    return found


def passed_on(*results: ProcessorResult) -> dict[str, Bools]:
    """Return the reasons of processors that lower the confidence of those that rest on them.

    A short history lowers nothing but what is read against it, and neither does the assumption of a side.
    """
    own = ("SHORT_HISTORY", "SIGN_UNDETERMINED")
    return united(*({code: where for code, where in one.reasons.items() if code not in own} for one in results))


def absolute(series: Series) -> Series:
    """Return the series of absolute values."""
    return replace(series, matrix=np.abs(series.matrix), values=np.abs(series.values))
