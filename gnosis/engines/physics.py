"""Physics that the engines share: market equation, depth laws, work and pressure on the path, volatility estimators.

A one-way flow of F dollars meets the depth D of the market and the hedging of dealers, whose dollar gamma is G:
r = F/(D + G). D and G are in $ per unit (100 %) log move. Arguments broadcast; missing values are NaN and stay NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

PATH_HALF_WIDTH = 0.01
PATH_RATIOS: Floats = 1.0 + PATH_HALF_WIDTH * np.arange(-50, 51) / 50
"""Prices of the path over spot: 101 nodes on [0.99, 1.01], 51 per side, the centre is exactly 1."""

UNIT_ERROR_FRAGILITY = 0.25
"""An index or index fund with a larger |G/D| most often has a unit error in its inputs."""


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _simpson_weights(intervals: int) -> Floats:
    weights = np.where(np.arange(intervals + 1) % 2 == 0, 2.0, 4.0)
    weights[[0, -1]] = 1.0
    return weights / 3.0


_SIDE = _simpson_weights(50)


def log_return(
    flow_usd: ArrayLike, depth_usd_per_unit: ArrayLike, dealer_gamma_usd_per_unit: ArrayLike = 0.0
) -> Floats:
    """Return the log move that a one-way flow causes, F/(D + G); NaN where D + G <= 0.

    Examples
    --------
    >>> log_return(300e6, 50e9, -20e9).item()
    0.01
    """
    stiffness = _floats(depth_usd_per_unit) + _floats(dealer_gamma_usd_per_unit)
    return _floats(flow_usd) / np.where(stiffness > 0, stiffness, np.nan)


def amplification(depth_usd_per_unit: ArrayLike, dealer_gamma_usd_per_unit: ArrayLike) -> Floats:
    """Return the move with dealers over the move without, A = D/(D + G); NaN where D + G <= 0.

    Examples
    --------
    >>> amplification(50e9, [-20e9, 0.0, 20e9, -50e9]).round(7).tolist()
    [1.6666667, 1.0, 0.7142857, nan]
    """
    depth = _floats(depth_usd_per_unit)
    stiffness = depth + _floats(dealer_gamma_usd_per_unit)
    return depth / np.where(stiffness > 0, stiffness, np.nan)


def fragility(depth_usd_per_unit: ArrayLike, dealer_gamma_usd_per_unit: ArrayLike) -> Floats:
    """Return phi = -G/D; the book is unstable from 1 on.

    Examples
    --------
    >>> fragility(50e9, -20e9).item()
    0.4
    """
    return -_floats(dealer_gamma_usd_per_unit) / _floats(depth_usd_per_unit) + 0.0


def work(stiffness_usd_per_unit: ArrayLike, move: ArrayLike) -> Floats:
    """Return the work in $ against a constant stiffness D + G for a log move: (D + G) r^2/2.

    Examples
    --------
    >>> work([30e9, 50e9, 70e9], 0.01).tolist()
    [1500000.0, 2500000.0, 3500000.0]
    """
    return _floats(stiffness_usd_per_unit) * _floats(move) ** 2 / 2


def depth_from_lambda(spot: ArrayLike, lambda_usd_per_share: ArrayLike) -> Floats:
    """Return D = S^2/lambda in $ per unit move, lambda the slope of Kyle (1985) in $ of price per share traded.

    Examples
    --------
    >>> depth_from_lambda(100, 1e-6).item()
    10000000000.0
    """
    return _floats(spot) ** 2 / _floats(lambda_usd_per_share)


def lambda_from_bps(spot: ArrayLike, bps_per_million_usd: ArrayLike) -> Floats:
    """Return lambda in $ per share from a slope in basis points per $1m of flow: 1e-10 S^2 L.

    Examples
    --------
    >>> lambda_from_bps(100, 1.0).item()
    1e-06
    """
    return 1e-10 * _floats(spot) ** 2 * _floats(bps_per_million_usd)


def linear_depth(adv_usd: ArrayLike, sigma_d: ArrayLike, y: float = 1.0) -> Floats:
    """Return the depth of the linear law, D = ADV$/(Y sigma_d): one ADV moves the price by Y daily standard deviations.

    NaN where ADV$ or sigma_d is not positive: without volume or without movement the law says nothing.

    Examples
    --------
    >>> linear_depth(100e6, 0.01).item()
    10000000000.0
    """
    volume, sigma = _floats(adv_usd), _floats(sigma_d)
    return np.where(volume > 0, volume, np.nan) / (y * np.where(sigma > 0, sigma, np.nan))


def linear_lambda(spot: ArrayLike, adv_usd: ArrayLike, sigma_d: ArrayLike, y: float = 1.0) -> Floats:
    """Return lambda of the linear law in $ per share, Y sigma_d S/ADV_sh with ADV_sh = ADV$/S.

    Average shares are ADV$ at today's price, so that lambda = S^2/D holds exactly and a split inside the averaging
    window does not mix two kinds of shares.

    Examples
    --------
    >>> linear_lambda(100, 100e6, 0.01).item()
    1e-06
    """
    return _floats(spot) ** 2 / linear_depth(adv_usd, sigma_d, y)


def square_root_flow(move: ArrayLike, adv_usd: ArrayLike, sigma_d: ArrayLike, y: float = 1.0) -> Floats:
    """Return the flow in $ that the square-root law asks for a move x: ADV$ (x/(Y sigma_d))^2.

    Examples
    --------
    >>> square_root_flow(0.002, 100e6, 0.02).round(6).item()
    1000000.0
    """
    return _floats(adv_usd) * (_floats(move) / (y * _floats(sigma_d))) ** 2


def square_root_move(flow_usd: ArrayLike, adv_usd: ArrayLike, sigma_d: ArrayLike, y: float = 1.0) -> Floats:
    """Return the log move of a flow under the square-root law: Y sigma_d sqrt(Q/ADV$).

    Examples
    --------
    >>> round(square_root_move(1e6, 100e6, 0.02).item() * 1e4, 9)
    20.0
    """
    return y * _floats(sigma_d) * np.sqrt(_floats(flow_usd) / _floats(adv_usd))


def square_root_depth(move: ArrayLike, adv_usd: ArrayLike, sigma_d: ArrayLike, y: float = 1.0) -> Floats:
    """Return the local depth of the square-root law at a move x, 2 ADV$ x/(Y sigma_d)^2; always print it with its x.

    Examples
    --------
    >>> square_root_depth(0.005, 100e6, 0.01).item()
    10000000000.0
    """
    return 2 * _floats(adv_usd) * _floats(move) / (y * _floats(sigma_d)) ** 2


def book_depth(displayed_usd: ArrayLike, move: ArrayLike) -> Floats:
    """Return the depth of a displayed book: dollars displayed within a move x, divided by x.

    Examples
    --------
    >>> book_depth(5e6, 0.001).round(3).item()
    5000000000.0
    """
    return _floats(displayed_usd) / _floats(move)


class UpDown(NamedTuple):
    """One quantity on the two sides of spot."""

    up: Floats
    down: Floats


def sides(values: ArrayLike, nodes: int) -> tuple[Floats, Floats]:
    """Return the values on the nodes from spot up and from spot down, spot first in both.

    Parameters
    ----------
    values
        Shape (..., nodes), by ascending price, spot in the middle.
    nodes
        How many nodes are expected.

    Raises
    ------
    ValueError
        When there are others.

    Examples
    --------
    >>> [side.tolist() for side in sides([1.0, 2.0, 3.0], 3)]
    [[2.0, 3.0], [2.0, 1.0]]
    """
    array = _floats(values)
    if array.shape[-1:] != (nodes,):
        raise ValueError(f"expected {nodes} nodes on the last axis, found an array of shape {array.shape}")
    centre = nodes // 2
    return array[..., centre:], array[..., centre::-1]


def path_work(spot: ArrayLike, k_shares_per_usd: ArrayLike) -> UpDown:
    """Return the work in $ of moving the price from S to 1.01 S and to 0.99 S: integral of k(p)|p - S| dp.

    Parameters
    ----------
    spot
        S in $, shape (...).
    k_shares_per_usd
        k(p) = 1/lambda + Gamma_D(p) on the nodes S x ``PATH_RATIOS``, shape (..., 101).

    Raises
    ------
    ValueError
        When there are not 101 nodes.

    Examples
    --------
    >>> [round(side.item(), 6) for side in path_work(100.0, np.full(101, 1e6))]
    [500000.0, 500000.0]
    """
    s = _floats(spot)
    step = PATH_HALF_WIDTH / 50
    weights = _SIDE * np.arange(51) * step * step
    up, down = ((side * weights).sum(axis=-1) * s * s for side in sides(k_shares_per_usd, 101))
    return UpDown(up, down)


def path_elasticity(spot: ArrayLike, k_shares_per_usd: ArrayLike, adv_usd: ArrayLike) -> UpDown:
    """Return the mean over the path of 0.01 S^2 k(p)/ADV$, in ADV per 1 % move; arguments as :func:`path_work`.

    Examples
    --------
    >>> [round(side.item(), 12) for side in path_elasticity(100.0, np.full(101, 1e6), 100e6)]
    [1.0, 1.0]
    """
    scale = 0.01 * _floats(spot) ** 2 / _floats(adv_usd)
    up, down = ((side * (_SIDE / 50)).sum(axis=-1) * scale for side in sides(k_shares_per_usd, 101))
    return UpDown(up, down)


def normalised_work(work_usd: ArrayLike, adv_usd: ArrayLike) -> Floats:
    """Return a work over the path in units of ADV$ h/2, h = 0.01: 1 is the work of one ADV spread over the move.

    Examples
    --------
    >>> normalised_work(502_565.91693, 100e6).round(11).item()
    1.00513183386
    """
    return _floats(work_usd) / (_floats(adv_usd) * PATH_HALF_WIDTH / 2)


def movement_energy(up: ArrayLike, down: ArrayLike) -> Floats:
    """Return the mean of both works, each at least 0; unit of the arguments.

    Examples
    --------
    >>> movement_energy(1.2, -0.4).item()
    0.6
    """
    return (np.maximum(_floats(up), 0.0) + np.maximum(_floats(down), 0.0)) / 2


def energy_asymmetry(up: ArrayLike, down: ArrayLike) -> Floats:
    """Return (down - up)/(down + up) of both works, each at least 0; positive = less work upward, NaN when both are 0.

    Examples
    --------
    >>> energy_asymmetry(1.0, 3.0).item()
    0.5
    """
    u, d = np.maximum(_floats(up), 0.0), np.maximum(_floats(down), 0.0)
    total = u + d
    return (d - u) / np.where(total > 0, total, np.nan)


class Pressure(NamedTuple):
    """Forced hedging per ADV: ``up`` is bought in a 1 % rise, ``down`` sold in a 1 % fall, ``net`` is up - down."""

    up: Floats
    down: Floats
    net: Floats


def pressure(
    spot: ArrayLike, delta_down: ArrayLike, delta_at: ArrayLike, delta_up: ArrayLike, adv_usd: ArrayLike
) -> Pressure:
    """Return the hedging that a 1 % move forces, from dealer deltas in shares at 0.99 S, S and 1.01 S.

    Examples
    --------
    >>> [round(part.item(), 9) for part in pressure(100.0, -1000.0, 0.0, 2000.0, 100e6)]
    [-0.002, -0.001, -0.001]
    """
    scale = _floats(spot) / _floats(adv_usd)
    up = -(_floats(delta_up) - _floats(delta_at)) * scale
    down = (_floats(delta_down) - _floats(delta_at)) * scale
    return Pressure(up, down, up - down)
