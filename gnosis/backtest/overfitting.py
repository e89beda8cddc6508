"""The probability of backtest overfitting: how often the best in sample is below the median out of sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gnosis.backtest.overfitting_kernel import halves
from gnosis.backtest.significance import Insufficient

N_BLOCKS = 16
FEWEST_PER_BLOCK = 5
"""Returns in a block below which nothing is said: a week of sessions."""


@dataclass(frozen=True)
class Overfitting:
    """What combinatorially symmetric cross-validation says about choosing the best configuration.

    Attributes
    ----------
    probability
        Share of splits in which the best in sample is at or below the median out of sample (PBO).
    slope
        Of the Sharpe ratio out of sample on that in sample of the chosen ones, over the splits; None when the one
        in sample is the same in all splits.
    probability_of_loss
        Share of splits in which the chosen one loses out of sample.
    logits
        ``ln(w / (1 - w))`` of the relative rank ``w`` out of sample, float64, shape (splits,).
    n_splits, n_rows, n_configurations
        Splits, returns used (a multiple of the blocks) and configurations.
    """

    probability: float
    slope: float | None
    probability_of_loss: float
    logits: NDArray[np.float64]
    n_splits: int
    n_rows: int
    n_configurations: int


def _block_sums(values: NDArray[np.float64], n_blocks: int) -> NDArray[np.float64]:
    return values.reshape(n_blocks, -1, values.shape[1]).sum(axis=1)


def _never_moves_in_a_half(returns: NDArray[np.float64], n_blocks: int) -> NDArray[np.bool_]:
    """Return the configurations whose returns are all the same in some half of the blocks."""
    blocks = returns.reshape(n_blocks, -1, returns.shape[1])
    first = blocks[:, 0]
    is_flat = (blocks == first[:, None]).all(axis=1)
    alike = (is_flat[:, None] & is_flat[None] & (first[:, None] == first[None])).sum(axis=1)
    return (alike >= n_blocks // 2).any(axis=0)


def move_in_most_blocks(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which configurations have returns that move in more than half of the blocks of time.

    Only those have a Sharpe ratio in every half of the time, which is what the choice among them is made by.

    Parameters
    ----------
    values
        Returns per period, float64, shape (n, configurations).

    Returns
    -------
    NDArray
        bool, shape (configurations,); False throughout when a block would hold no period.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=160)
    >>> late = np.where(np.arange(160) < 120, 0.0, noise)
    >>> move_in_most_blocks(np.column_stack([noise, late, 0.0 * noise])).tolist()
    [True, False, False]
    """
    length = len(values) // N_BLOCKS
    if not length:
        return np.zeros(values.shape[1], dtype=np.bool_)
    moves = np.ptp(values[: length * N_BLOCKS].reshape(N_BLOCKS, length, -1), axis=1) > 0.0
    often: NDArray[np.bool_] = moves.sum(axis=0) > N_BLOCKS // 2
    return often


def probability_of_overfitting(returns: NDArray[np.float64], n_blocks: int = N_BLOCKS) -> Overfitting | Insufficient:
    """Return the probability of backtest overfitting by CSCV (B-12.7).

    Bailey, Borwein, López de Prado and Zhu (2017). Rows are cut into contiguous blocks; every choice of half of them is
    in sample once and the other half out of sample.

    Parameters
    ----------
    returns
        Returns of every configuration tried, float64, shape (n, configurations). The last ``n % n_blocks`` rows are
        left out.
    n_blocks
        Even; 16 give 12,870 splits.

    Returns
    -------
    Overfitting or Insufficient
        Insufficient with fewer than 2 configurations, fewer than 5 returns in a block, or a configuration without a
        Sharpe ratio because its returns are all the same in half of the blocks.

    Raises
    ------
    ValueError
        An odd number of blocks, or returns that are not finite.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((1000, 50))
    >>> found = probability_of_overfitting(noise, n_blocks=10)
    >>> found.n_splits, round(found.probability * 252)
    (252, 83)
    """
    if n_blocks < 2 or n_blocks % 2:
        raise ValueError(f"expected an even number of blocks, found {n_blocks}")
    if returns.ndim != 2 or not np.isfinite(returns).all():
        raise ValueError(f"expected finite returns of shape (n, configurations), found shape {returns.shape}")
    n, n_configurations = returns.shape
    if n_configurations < 2:
        return Insufficient("pbo", n_configurations, 2, "configurations", "there is nothing to choose between")
    if n < n_blocks * FEWEST_PER_BLOCK:
        return Insufficient("pbo", n, n_blocks * FEWEST_PER_BLOCK, "returns", "too few returns in a block")
    used = returns[: n - n % n_blocks]
    flat = np.flatnonzero(_never_moves_in_a_half(used, n_blocks))
    if flat.size:
        return Insufficient("pbo", n, None, "returns", f"no Sharpe ratio in some half: configurations {flat.tolist()}")
    # Sums of squares around the mean lose nothing to cancellation.
    centre = used.mean(axis=0)
    away = used - centre
    chosen = np.array(list(combinations(range(n_blocks), n_blocks // 2)), dtype=np.int64)
    found = halves(_block_sums(away, n_blocks), _block_sums(away**2, n_blocks), chosen, used.shape[0] // 2, centre)
    rank, inside, outside = found.T
    logits = np.log(rank / (1 - rank))
    spread = float(((inside - inside.mean()) ** 2).sum())
    slope = float(((inside - inside.mean()) * (outside - outside.mean())).sum()) / spread if spread > 0 else None
    return Overfitting(
        probability=float((rank <= 0.5).mean()),
        slope=slope,
        probability_of_loss=float((outside < 0).mean()),
        logits=logits,
        n_splits=math.comb(n_blocks, n_blocks // 2),
        n_rows=used.shape[0],
        n_configurations=n_configurations,
    )
