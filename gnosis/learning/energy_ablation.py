"""Whether weighting by movement energy is worth it: a model with and without, on rows that neither saw (L-3.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gnosis.learning import models
from gnosis.learning.bootstrap import paired_difference
from gnosis.learning.fitting import STOPPING_SHARE, late_slice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gnosis.learning.fitting import Part

LEVEL = 0.05
MOST_ROUNDS = 40
"""Boosting rounds of the two models that are compared: enough to differ by their weights, without a search."""

Verdict = Literal["kept", "dropped", "unproven"]


@dataclass(frozen=True)
class Ablation:
    """What the comparison said.

    Attributes
    ----------
    verdict
        ``kept`` when the energy weight wins beyond chance, ``dropped`` when it loses so, else ``unproven``.
    with_energy, without_energy
        Mean losses of the two models.
    n
        Rows that both were judged on.
    """

    verdict: Verdict
    with_energy: float
    without_energy: float
    n: int


def compared_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that both models are fitted with.

    Examples
    --------
    >>> compared_parameters({"max_rounds": 150, "eta": 0.1}), compared_parameters({"C": 1.0})
    ({'max_rounds': 40, 'eta': 0.1}, {'C': 1.0})
    """
    fewer = {"max_rounds": min(parameters["max_rounds"], MOST_ROUNDS)} if "max_rounds" in parameters else {}
    return {**parameters, **fewer}


def can_be_compared(part: Part) -> bool:
    """Return whether the energy changes any weight, and there are rows to fit on and to judge by."""
    earlier, later = late_slice(part.rows[part.fit], STOPPING_SHARE)
    differs = not np.array_equal(part.weights(with_energy=True), part.weights(with_energy=False))
    return differs and bool(earlier.size) and bool(later.size)


def ablation(name: str, part: Part, parameters: Mapping[str, Any], seed: int) -> Ablation:
    """Compare a model with and without the energy weight on the last fitted sessions, from which neither learns.

    The choice looks at the fitted part only, so that no session of the vault is spent on it (L-4.7).

    Parameters
    ----------
    name
        Family.
    part
        Rows that :func:`can_be_compared`.
    parameters, seed
        Of the family, from :func:`compared_parameters`.
    """
    earlier, later = late_slice(part.rows[part.fit], STOPPING_SHARE)
    judged = part.fit[later]
    nothing = np.empty(0, dtype=np.int64)
    losses = []
    for with_energy in (True, False):
        weights = part.weights(with_energy=with_energy)
        problem = part.problem(part.fit[earlier], weights[earlier], parameters, seed)
        model = models.fit(name, replace(problem, earlier=nothing, later=nothing))
        losses.append(part.losses(model.predict(part.inputs, part.positions[judged]), judged))
    session = part.inputs.session[part.positions[judged]]
    horizon = int(part.rows["horizon_bars"][0])
    _, better = paired_difference(losses[0], losses[1], session, block=horizon, seed=seed)
    _, worse = paired_difference(losses[1], losses[0], session, block=horizon, seed=seed)
    verdict: Verdict = "kept" if better < LEVEL else "dropped" if worse < LEVEL else "unproven"
    return Ablation(verdict, float(losses[0].mean()), float(losses[1].mean()), int(judged.size))


__all__ = ["Ablation", "ablation", "can_be_compared", "compared_parameters"]
