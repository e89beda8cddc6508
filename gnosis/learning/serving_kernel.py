"""Compiled last step of serving: margins of all heads to what a prediction says."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from gnosis.learning.calibrator_kernel import Maps, calibrate, intervals
from gnosis.learning.families.answers import softmax

DIRECTION, MAGNITUDE, VOLATILITY, RETURN, META = range(5)
"""Places of the heads in what the kernel is given."""
ABSENT = -1


@njit(cache=True, nogil=True, error_model="numpy")
def class_probabilities(margins: np.ndarray) -> np.ndarray:
    """Return probabilities of native margins: of one margin those of its two classes, else one class per margin.

    Parameters
    ----------
    margins
        float32, shape (rows, margins).

    Returns
    -------
    numpy.ndarray
        float64, shape (rows, 2 or margins).
    """
    rows, width = margins.shape
    shift = 1 if width == 1 else 0
    scores = np.zeros((rows, width + shift))
    for row in range(rows):
        for at in range(width):
            scores[row, at + shift] = margins[row, at]
    return softmax(scores)


@njit(cache=True, nogil=True, error_model="numpy")
def answer(
    margins: np.ndarray,
    first_margin: np.ndarray,
    first_class: np.ndarray,
    maps: Maps,
    sigma_bar: np.ndarray,
    root_of_horizon: float,
    residual_error: float,
    out: np.ndarray,
) -> None:
    """Write the answers of all heads for rows, each by itself.

    Parameters
    ----------
    margins
        float32, shape (rows, margins of all heads).
    first_margin, first_class
        int64, shape (5,): by head, its first margin and its first class in ``maps``; ``ABSENT`` without the head.
    maps
        Of the calibrators of all class heads.
    sigma_bar
        float64, shape (rows,): volatility per square root of a session, NaN where unknown.
    root_of_horizon
        Square root of the horizon in sessions.
    residual_error
        Of the return head.
    out
        float64, shape (rows, 15), NaN before; columns as the fields of ``gnosis.learning.serving.ServedAnswer``.
    """
    at = first_margin[DIRECTION]
    if at != ABSENT:
        raw = class_probabilities(margins[:, at : at + 3])
        calibrated = np.empty(raw.shape)
        calibrate(maps, first_class[DIRECTION], raw, calibrated)
        out[:, 0:3] = calibrated
        out[:, 3:6] = raw
        intervals(maps, first_class[DIRECTION] + 2, raw[:, 2], calibrated[:, 2], out[:, 6], out[:, 7])
    at = first_margin[MAGNITUDE]
    if at != ABSENT:
        raw = class_probabilities(margins[:, at : at + 3])
        calibrated = np.empty(raw.shape)
        calibrate(maps, first_class[MAGNITUDE], raw, calibrated)
        out[:, 8:11] = calibrated
    at = first_margin[RETURN]
    if at != ABSENT:
        for row in range(margins.shape[0]):
            scale = sigma_bar[row] * root_of_horizon
            out[row, 11] = np.float64(margins[row, at]) * scale
            out[row, 12] = residual_error * scale
    at = first_margin[VOLATILITY]
    if at != ABSENT:
        for row in range(margins.shape[0]):
            out[row, 13] = math.exp(np.float64(margins[row, at]))
    at = first_margin[META]
    if at != ABSENT:
        raw = class_probabilities(margins[:, at : at + 1])
        calibrated = np.empty(raw.shape)
        calibrate(maps, first_class[META], raw, calibrated)
        out[:, 14] = calibrated[:, 1]
