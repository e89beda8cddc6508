"""Potential of the price: the work of moving it up to 5 % against depth and the hedging of dealers, and its shape."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.physics import Floats, sides
from gnosis.engines.regimes import PotentialShape as PotentialKind

POTENTIAL_HALF_WIDTH = 0.05
POTENTIAL_RATIOS: Floats = 1.0 + POTENTIAL_HALF_WIDTH * np.arange(-40, 41) / 40
"""Prices of the potential over spot: 81 nodes on [0.95, 1.05]; works are known at every second one."""

_UNIT = (POTENTIAL_RATIOS[::2] - 1.0) / POTENTIAL_HALF_WIDTH
_POWERS = np.stack([_UNIT**2, _UNIT**3, _UNIT**4], axis=1)
_FIT = np.linalg.pinv(_POWERS)


def potential(spot: ArrayLike, k_shares_per_usd: ArrayLike) -> Floats:
    """Return the work W(x) in $ at the 41 points x of ``POTENTIAL_RATIOS[::2] - 1``, by cumulative Simpson from spot.

    Parameters
    ----------
    spot
        S in $, shape (...).
    k_shares_per_usd
        k(p) on the nodes S x ``POTENTIAL_RATIOS``, shape (..., 81).

    Examples
    --------
    >>> potential(100.0, np.full(81, 1e6))[[0, 20, 40]].round(3).tolist()
    [12500000.0, 0.0, 12500000.0]
    """
    s = np.asarray(spot, dtype=np.float64)[..., None]
    step = POTENTIAL_HALF_WIDTH / 40
    up, down = (side * np.arange(41) * step for side in sides(k_shares_per_usd, 81))
    works = []
    for force in (up, down):
        panels = (force[..., :-2:2] + 4 * force[..., 1:-1:2] + force[..., 2::2]) * (step / 3)
        works.append(np.cumsum(panels, axis=-1) * s**2)
    return np.concatenate([works[1][..., ::-1], np.zeros_like(works[0][..., :1]), works[0]], axis=-1)


class PotentialShape(NamedTuple):
    """Fit a2 x^2 + a3 x^3 + a4 x^4 of a potential, norm of its residual, and the name of its shape (None: no work)."""

    name: str | None
    a2: float
    a3: float
    a4: float
    residual: float


class PotentialShapes(NamedTuple):
    """Fits a2 x^2 + a3 x^3 + a4 x^4 of many potentials: coefficients, norm of the residual, code of the shape.

    NaN where the potential is unknown; the code, a position in :class:`gnosis.engines.regimes.PotentialShape`, also
    where there is no work.
    """

    code: Floats
    a2: Floats
    a3: Floats
    a4: Floats
    residual: Floats


def potential_shapes(work_usd: ArrayLike) -> PotentialShapes:
    """Return the shapes of potentials W(x) at 41 points as made by :func:`potential`: least squares without intercept.

    Parameters
    ----------
    work_usd
        $, shape (n, 41).

    Raises
    ------
    ValueError
        When there are not 41 works.

    Examples
    --------
    >>> potential_shapes(potential([100.0, 100.0], np.full((2, 81), 1e6))).code.tolist()
    [0.0, 0.0]
    """
    works = np.asarray(work_usd, dtype=np.float64)
    if works.ndim != 2 or works.shape[1] != 41:
        raise ValueError(f"expected works of shape (n, 41), found {works.shape}")
    edge = POTENTIAL_HALF_WIDTH
    # Term by term, as a matrix product may round by how many rows it has.
    heights = np.zeros((works.shape[0], 3))
    for point in range(41):
        heights += works[:, point, None] * _FIT[:, point]
    fitted = heights[:, 0, None] * _POWERS[:, 0] + heights[:, 1, None] * _POWERS[:, 1]
    fitted = fitted + heights[:, 2, None] * _POWERS[:, 2]
    residual = np.sqrt(((fitted - works) ** 2).sum(axis=1))
    second, third, fourth = heights.T
    sizes = np.abs(heights)
    total = sizes[:, 0] + sizes[:, 1] + sizes[:, 2]
    _, cubic, quartic = sizes.T / np.where(total > 0, total, np.nan)
    shape = [list(PotentialKind).index(kind) for kind in (PotentialKind.DOUBLE_WELL, PotentialKind.QUARTIC)]
    shape += [list(PotentialKind).index(kind) for kind in (PotentialKind.CUBIC, PotentialKind.QUADRATIC)]
    code = np.select([(second < 0) & (fourth > 0), quartic > 0.5, cubic > 0.25], shape[:3], shape[3])
    code = np.where(total > 0, code, np.nan)
    return PotentialShapes(code, second / edge**2, third / edge**3, fourth / edge**4, residual)


def potential_shape(work_usd: ArrayLike) -> PotentialShape:
    """Return the shape of one potential, see :func:`potential_shapes`.

    Raises
    ------
    ValueError
        When there are not 41 finite works.

    Examples
    --------
    >>> potential_shape(potential(100.0, np.full(81, 1e6))).name
    'quadratic'
    """
    works = np.asarray(work_usd, dtype=np.float64)
    if works.shape != (41,) or not np.isfinite(works).all():
        raise ValueError(
            f"expected 41 finite works, found shape {works.shape}: fit one potential at a time, without gaps"
        )
    code, a2, a3, a4, residual = (float(part[0]) for part in potential_shapes(works[None, :]))
    name = None if np.isnan(code) else list(PotentialKind)[int(code)].value
    return PotentialShape(name, a2, a3, a4, residual)
