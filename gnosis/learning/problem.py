"""What a model family is given to fit and what it gives back: the one form of every family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from gnosis.learning.heads import Head


@dataclass(frozen=True)
class Inputs:
    """Feature rows as arrays, sorted by session and symbol.

    A model answers for positions of these rows. Most look at the row itself; the sequence model also looks at the rows
    of the same symbol before it, never after.

    Attributes
    ----------
    features
        float32, shape (rows, 141), C-contiguous, NaN where missing, categories as registry codes.
    symbol
        int64, shape (rows,): the same number for the same symbol within these inputs.
    session
        int64, shape (rows,): number of the exchange session, ascending.
    sigma_bar
        float64, shape (rows,): volatility per square root of a session known at the decision, NaN where unknown; only
        the EWMA baseline reads it.
    """

    features: NDArray[np.float32]
    symbol: NDArray[np.int64]
    session: NDArray[np.int64]
    sigma_bar: NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What to fit.

    Attributes
    ----------
    head
        The question.
    inputs
        Feature rows; also those before and between the rows to fit, for models that look back.
    rows
        int64, positions in ``inputs`` of the rows to fit, ascending.
    target
        float64, shape of ``rows``, no NaN: classes 0 to ``n_classes - 1`` or numbers, see :func:`heads.targets`.
    weights
        float64, shape of ``rows``, positive, mean 1.
    earlier, later
        Positions within ``rows``: to fit on and to stop on while the number of rounds or epochs is looked for; they
        share no outcome time (L-5.1). Both may be empty: then the largest number is fitted.
    parameters
        Of the family.
    seed
        The only source of randomness, 0 to 2^31 - 1.
    threads
        Threads that a family may use where its result does not depend on them.
    """

    head: Head
    inputs: Inputs
    rows: NDArray[np.int64]
    target: NDArray[np.float64]
    weights: NDArray[np.float64]
    earlier: NDArray[np.int64]
    later: NDArray[np.int64]
    parameters: Mapping[str, Any]
    seed: int
    threads: int = 1


class TrainedModel(Protocol):
    """What every model can do, whatever its family."""

    def predict(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the answers for positions of ``inputs``.

        Shape (rows, n_classes) with probabilities that sum to 1 for a class head, (rows, 1) for a number. The answer
        for a row does not depend, to the bit, on which other rows are asked for (L-12.4).
        """
        ...

    def to_bytes(self) -> bytes:
        """Return the canonical form: the same model is always the same bytes (L-13.2). Never a pickle."""
        ...


class Family(Protocol):
    """A kind of model; ``fit`` and ``from_bytes`` are class methods."""

    @classmethod
    def fit(cls, problem: Problem) -> TrainedModel:
        """Fit a model: a pure function of the problem."""
        ...

    @classmethod
    def from_bytes(cls, content: bytes) -> TrainedModel:
        """Read what ``to_bytes`` wrote."""
        ...
