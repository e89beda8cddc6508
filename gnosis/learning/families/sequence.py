"""The sequence model: a temporal convolutional network (Bai, Kolter and Koltun 2018) over the last 32 decisions.

Fitted with torch, an optional extra, on one CPU thread; answered by a compiled loop from the stored weights.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.canonical import canonical_json
from gnosis.learning.families.answers import softmax
from gnosis.learning.families.preparation import Preparation
from gnosis.learning.families.sequence_network import LENGTH, network_scores, windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gnosis.learning.problem import Inputs, Problem

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Sequence:
    """Causal convolutions of width 2 and dilation 1, 2, 4, 8 and 16 over one symbol's sessions, answered at the last.

    Only the positions that reach the last session are computed, so a level joins neighbours: 32 states become 16 and so
    on. A session without a decision is masked: it adds nothing to any sum.

    Attributes
    ----------
    preparation
        Learnt from the fitted rows.
    n_classes
        Of the head; 0 for a number.
    centre, scale
        Mean and standard deviation of the fitted numbers; 0 and 1 for classes.
    weights
        float32 by name: ``input`` (columns, hidden), ``input_bias``, ``earlier`` and ``later`` (5, hidden, hidden),
        ``bias`` (5, hidden), ``head`` (hidden, outputs), ``head_bias``.
    """

    preparation: Preparation
    n_classes: int
    centre: float
    scale: float
    weights: Mapping[str, NDArray[np.float32]]

    @classmethod
    def fit(cls, problem: Problem) -> Sequence:
        """Find the number of epochs on the last purged slice of the training window, then fit all of it (L-5.1).

        The parameters are ``epochs`` (most), ``patience`` (epochs without improvement), ``batch_size``, ``hidden``,
        ``dropout``, ``learning_rate`` and ``largest_gradient`` (norm that longer gradients are cut to).
        """
        from gnosis.learning.families.sequence_fit import fitted_weights

        features = problem.inputs.features[problem.rows]
        preparation = Preparation.fit(features, problem.weights)
        centre, scale = 0.0, 1.0
        if not problem.head.is_classes:
            centre = float(np.average(problem.target, weights=problem.weights))
            spread = float(np.sqrt(np.average((problem.target - centre) ** 2, weights=problem.weights)))
            scale = spread if spread > 1e-9 * max(abs(centre), 1e-3) else 1.0
        around = windows(problem.inputs.symbol, problem.inputs.session, problem.rows, LENGTH)
        distinct, slots = _distinct(around)
        design = preparation.design(problem.inputs.features, distinct).astype(np.float32)
        target = problem.target if problem.head.is_classes else (problem.target - centre) / scale
        weights = fitted_weights(design, slots, target, problem)
        return cls(preparation, problem.head.n_classes, centre, scale, weights)

    def predict(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probabilities of the classes or the number, shape (rows, classes or 1)."""
        blocks = [self.scores(inputs, rows[at : at + _ROWS_AT_ONCE]) for at in range(0, rows.size, _ROWS_AT_ONCE)]
        scores = np.concatenate(blocks) if blocks else np.empty((0, self.weights["head_bias"].size))
        return softmax(scores) if self.n_classes else self.centre + self.scale * scores

    def scores(self, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the outputs of the network, float64 of shape (rows, outputs), from the float32 weights."""
        weights = {name: value.astype(np.float64) for name, value in self.weights.items()}
        distinct, slots = _distinct(windows(inputs.symbol, inputs.session, rows, LENGTH))
        embedded = self.preparation.linear(inputs.features, distinct, weights["input"], weights["input_bias"])
        return network_scores(
            np.maximum(embedded, 0.0),
            slots,
            weights["earlier"],
            weights["later"],
            weights["bias"],
            weights["head"],
            weights["head_bias"],
        )

    def to_bytes(self) -> bytes:
        """Return a safetensors file: the weights by name, everything else as JSON in its metadata."""
        from safetensors.numpy import save

        state = {
            "n_classes": self.n_classes,
            "centre": self.centre,
            "scale": self.scale,
            "columns": self.preparation.as_json(),
        }
        # One entry only: the order of several entries of the metadata is not fixed.
        content: bytes = save(
            {name: self.weights[name] for name in sorted(self.weights)}, {"gnosis": canonical_json(state)}
        )
        return content

    @classmethod
    def from_bytes(cls, content: bytes) -> Sequence:
        """Read what :meth:`to_bytes` wrote."""
        from safetensors.numpy import load

        length = int.from_bytes(content[:8], "little")
        state = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["gnosis"])
        return cls(
            Preparation.of_json(state["columns"]), state["n_classes"], state["centre"], state["scale"], load(content)
        )


def _distinct(around: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct positions in the windows and the windows as positions among them, -1 where masked."""
    distinct = np.unique(around[around >= 0])
    return distinct, np.where(around >= 0, np.searchsorted(distinct, around), -1)
