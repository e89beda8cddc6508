"""Stationary bootstrap over sessions: how far a score of overlapping outcomes can be trusted (L-8.1)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController

REPLICATES = 400
TEST_REPLICATES = 2_000


def bootstrap_counts(
    n_sessions: int, mean_block: float, replicates: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return how often each session is drawn in each replicate of the stationary bootstrap.

    Parameters
    ----------
    n_sessions
        Length of the series.
    mean_block
        Mean of the geometric block lengths, in sessions; at least the horizon, since labels overlap (L-8.1).
    replicates
        Number of resampled series.
    rng
        The only source of randomness.

    Returns
    -------
    numpy.ndarray
        Shape (replicates, n_sessions); each row sums to ``n_sessions``.

    Notes
    -----
    Politis and Romano (1994): blocks of geometric length on the circle.

    Examples
    --------
    >>> bootstrap_counts(4, 2.0, 2, np.random.default_rng(1)).sum(axis=1).tolist()
    [4.0, 4.0]
    """
    begins = rng.random((replicates, n_sessions)) < 1.0 / mean_block
    begins[:, 0] = True
    position = np.arange(n_sessions)
    begun = np.maximum.accumulate(np.where(begins, position, 0), axis=1)
    first = np.take_along_axis(rng.integers(0, n_sessions, (replicates, n_sessions)), begun, axis=1)
    drawn = (first + position - begun) % n_sessions
    flat = drawn + n_sessions * np.arange(replicates)[:, None]
    return np.bincount(flat.ravel(), minlength=replicates * n_sessions).reshape(replicates, n_sessions).astype(float)


class Resampling:
    """Rows by session, and the replicates of their sessions.

    A score is a function of sums over rows. Rows are summed by session once, so that a replicate costs one product of
    matrices; whatever is not a sum (bins, ranks, a fitted line) is held at what all rows say.

    Parameters
    ----------
    session
        Session of each row, any sortable values, shape (rows,).
    block
        Mean block in sessions.
    replicates
        Number of replicates.
    rng
        The only source of randomness.

    Examples
    --------
    >>> session = np.repeat(np.arange(100), 2)
    >>> resampling = Resampling(session, 5.0, 400, np.random.default_rng(1))
    >>> values = np.where(np.arange(200) % 2, 1.0, -1.0)
    >>> resampling.estimate(lambda total: total / 200.0, resampling.sums(values))
    (0.0, 0.0)
    """

    def __init__(self, session: NDArray[np.generic], block: float, replicates: int, rng: np.random.Generator) -> None:
        distinct, place = np.unique(session, return_inverse=True)
        self.session: NDArray[np.int64] = place.astype(np.int64)
        self.n_sessions = int(distinct.size)
        # Two blocks are the least that can differ: below, an error would be a false comfort.
        self.has_error = self.n_sessions >= 2.0 * block
        self._counts = bootstrap_counts(self.n_sessions, block, replicates, rng) if self.has_error else None

    def sums(
        self, values: NDArray[np.float64], group: NDArray[np.int64] | None = None, n_groups: int = 1
    ) -> NDArray[np.float64]:
        """Return sums of ``values`` (rows,) by session, (sessions,); by session and group, (sessions, n_groups)."""
        if group is None:
            return np.bincount(self.session, weights=values, minlength=self.n_sessions).astype(np.float64)
        cell = self.session * n_groups + group
        flat = np.bincount(cell, weights=values, minlength=self.n_sessions * n_groups).astype(np.float64)
        return flat.reshape(self.n_sessions, n_groups)

    def resampled(
        self, function: Callable[..., NDArray[np.float64]], *parts: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the score of each replicate, shape (replicates,); empty with too few sessions."""
        if self._counts is None:
            return np.empty(0)
        # The order in which BLAS adds depends on its threads.
        with _blas().limit(limits=1, user_api="blas"), np.errstate(divide="ignore", invalid="ignore"):
            return function(*[self._counts @ part for part in parts])

    def estimate(
        self, function: Callable[..., NDArray[np.float64]], *parts: NDArray[np.float64]
    ) -> tuple[float, float]:
        """Return a score and its standard error, each NaN where it is undefined.

        Parameters
        ----------
        function
            Of the totals of ``parts``, shapes (replicates,) or (replicates, groups), to (replicates,).
        parts
            Results of :meth:`sums`.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(function(*[part.sum(axis=0)[None] for part in parts])[0])
        return value, self.error(self.resampled(function, *parts))

    @staticmethod
    def error(resampled: NDArray[np.float64]) -> float:
        """Return the standard deviation over the replicates in which the score is defined; NaN below two of them."""
        defined = resampled[np.isfinite(resampled)]
        return float(defined.std(ddof=1)) if defined.size >= 2 else np.nan


@cache
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a mean from its sum and its count.

    Examples
    --------
    >>> ratio(np.array([3.0]), np.array([4.0])).tolist()
    [0.75]
    """
    return above / np.where(below > 0.0, below, np.nan)


def paired_difference(
    loss_a: NDArray[np.float64],
    loss_b: NDArray[np.float64],
    session: NDArray[np.generic],
    *,
    block: float,
    seed: int,
    replicates: int = TEST_REPLICATES,
) -> tuple[float, float]:
    """Return how much less ``a`` loses than ``b`` on the same rows, and how likely chance alone does that.

    Parameters
    ----------
    loss_a, loss_b
        Losses of the same rows, shape (rows,).
    session
        Session of each row, any sortable values, shape (rows,).
    block
        Mean block of the stationary bootstrap, in sessions; at least the horizon.
    seed, replicates
        Of the bootstrap.

    Returns
    -------
    tuple of float
        Mean of ``loss_a - loss_b``, negative when ``a`` is better; and the one-sided p-value against "a is not better":
        the share of replicates, centred on no difference, that fall as low. It is 1 with fewer sessions than two
        blocks, where nothing can be told.

    Raises
    ------
    ValueError
        Shapes that differ, no rows, or losses that are not finite.

    References
    ----------
    Politis and Romano (1994); the p-value counts the data as one replicate (Davison and Hinkley 1997).

    Examples
    --------
    >>> loss = np.random.default_rng(1).random(500)
    >>> difference, p_value = paired_difference(loss - 0.1, loss, np.arange(500), block=5, seed=1)
    >>> round(difference, 6), p_value < 0.001
    (-0.1, True)
    """
    if not loss_a.shape == loss_b.shape == session.shape or loss_a.ndim != 1 or not loss_a.size:
        raise ValueError(
            f"expected losses and sessions of the same rows, found shapes {loss_a.shape}, {loss_b.shape} and "
            f"{session.shape}"
        )
    if not (np.isfinite(loss_a).all() and np.isfinite(loss_b).all()):
        raise ValueError("expected finite losses, found others; leave out rows without an outcome or an answer")
    resampling = Resampling(session, block, replicates, np.random.default_rng(seed))
    parts = resampling.sums(loss_a - loss_b), resampling.sums(np.ones(loss_a.size))
    difference, _ = resampling.estimate(ratio, *parts)
    resampled = resampling.resampled(ratio, *parts)
    if not resampled.size:
        return difference, 1.0
    as_low = int((resampled - difference <= difference).sum())
    return difference, (1 + as_low) / (1 + resampled.size)


def base_rate_band(
    loss: NDArray[np.float64],
    session: NDArray[np.generic],
    *,
    block: float,
    seed: int,
    replicates: int = TEST_REPLICATES,
) -> tuple[float, float]:
    """Return the 95 % band of the mean loss of the base rate (gate G3).

    Parameters
    ----------
    loss, session
        Losses of the base rate on the stitched rows and their sessions, shape (rows,).
    block, seed, replicates
        Of the stationary bootstrap.

    Returns
    -------
    tuple of float
        2.5th and 97.5th percentile over the replicates; both NaN with fewer sessions than two blocks.

    Examples
    --------
    >>> low, high = base_rate_band(np.random.default_rng(1).random(400), np.arange(400), block=5, seed=1)
    >>> low < 0.5 < high
    True
    """
    resampling = Resampling(session, block, replicates, np.random.default_rng(seed))
    means = resampling.resampled(ratio, resampling.sums(loss), resampling.sums(np.ones(loss.size)))
    if not means.size:
        return np.nan, np.nan
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
