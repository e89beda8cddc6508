"""Fitting of the sequence model with torch: one thread, one generator, the same weights for the same problem."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.families.sequence_network import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from numpy.typing import NDArray

    from gnosis.learning.problem import Problem


@dataclass(frozen=True)
class Examples:
    """What the network is fitted on, as tensors."""

    design: torch.Tensor
    slots: NDArray[np.int64]
    target: torch.Tensor
    weights: torch.Tensor


def fitted_weights(
    design: NDArray[np.float32], slots: NDArray[np.int64], target: NDArray[np.float64], problem: Problem
) -> dict[str, NDArray[np.float32]]:
    """Return the weights of :class:`gnosis.learning.families.sequence.Sequence`.

    Parameters
    ----------
    design
        float32, shape (distinct rows, columns).
    slots
        int64, shape (rows, 32): positions in ``design``, -1 where masked.
    target
        float64, shape (rows,): classes or standardised numbers.
    problem
        Whose rows these are.
    """
    import torch

    is_classes = problem.head.is_classes
    examples = Examples(
        design=torch.from_numpy(design),
        slots=slots,
        target=torch.from_numpy(target.astype(np.int64 if is_classes else np.float32)),
        weights=torch.from_numpy(problem.weights.astype(np.float32)),
    )
    epochs = int(problem.parameters["epochs"])
    with _one_thread():
        if problem.earlier.size and problem.later.size:
            epochs = _Run(examples, problem).best_epoch(problem.earlier, problem.later, epochs)
        run = _Run(examples, problem)
        every = np.arange(problem.rows.size)
        for _ in range(epochs):
            run.epoch(every)
    return {name: np.ascontiguousarray(tensor.detach().numpy()) for name, tensor in run.weights.items()}


def forward(
    weights: dict[str, torch.Tensor],
    design: torch.Tensor,
    slots: NDArray[np.int64],
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return the outputs for windows, shape (rows, outputs): what ``network_scores`` computes, differentiable."""
    import torch

    distinct, at = np.unique(slots, return_inverse=True)
    embedded = torch.relu(design[np.maximum(distinct, 0)] @ weights["input"] + weights["input_bias"])
    state = embedded[torch.from_numpy(at.reshape(-1))].reshape(*slots.shape, -1)
    known = torch.from_numpy(slots >= 0)[:, :, None]
    state = state * known
    for level in range(LEVELS):
        old, new = state[:, 0::2], state[:, 1::2]
        known = known[:, 0::2] | known[:, 1::2]
        joined = torch.relu(old @ weights["earlier"][level] + new @ weights["later"][level] + weights["bias"][level])
        if dropout > 0.0:
            kept = torch.rand(joined.shape, generator=generator) >= dropout
            joined = joined * kept / (1.0 - dropout)
        state = (joined + new) * known
    return state[:, 0] @ weights["head"] + weights["head_bias"]


class _Run:
    """Weights under way with their optimiser and the only source of randomness."""

    def __init__(self, examples: Examples, problem: Problem) -> None:
        import torch

        self.examples = examples
        self.problem = problem
        self.generator = torch.Generator().manual_seed(problem.seed)
        hidden = int(problem.parameters["hidden"])
        columns, outputs = examples.design.shape[1], problem.head.n_classes or 1
        self.weights = {
            "input": self._drawn((columns, hidden), columns),
            "input_bias": torch.zeros(hidden),
            "earlier": self._drawn((LEVELS, hidden, hidden), 2 * hidden),
            "later": self._drawn((LEVELS, hidden, hidden), 2 * hidden),
            "bias": torch.zeros((LEVELS, hidden)),
            # Zero: before the first step every row has the same answer.
            "head": torch.zeros((hidden, outputs)),
            "head_bias": torch.zeros(outputs),
        }
        for tensor in self.weights.values():
            tensor.requires_grad_()
        self.optimiser = torch.optim.Adam(list(self.weights.values()), lr=float(problem.parameters["learning_rate"]))

    def _drawn(self, shape: tuple[int, ...], fan_in: int) -> torch.Tensor:
        """Normal weights of variance 2 / inputs (He et al. 2015)."""
        import torch

        return torch.randn(shape, generator=self.generator) * (2.0 / max(fan_in, 1)) ** 0.5

    def loss(self, which: NDArray[np.int64], dropout: float) -> torch.Tensor:
        """Return the weighted mean log loss or squared error of rows ``which``."""
        from torch.nn.functional import cross_entropy

        outputs = forward(self.weights, self.examples.design, self.examples.slots[which], dropout, self.generator)
        target, weights = self.examples.target[which], self.examples.weights[which]
        if self.problem.head.is_classes:
            losses = cross_entropy(outputs, target, reduction="none")
        else:
            losses = (outputs[:, 0] - target) ** 2
        return (losses * weights).mean()

    def epoch(self, which: NDArray[np.int64]) -> None:
        """Take one step of Adam per batch of the shuffled rows ``which``."""
        import torch

        parameters = self.problem.parameters
        order = which[torch.randperm(which.size, generator=self.generator).numpy()]
        size = int(parameters["batch_size"])
        for start in range(0, order.size, size):
            self.optimiser.zero_grad()
            self.loss(order[start : start + size], float(parameters["dropout"])).backward()
            torch.nn.utils.clip_grad_norm_(list(self.weights.values()), float(parameters["largest_gradient"]))
            self.optimiser.step()

    def best_epoch(self, earlier: NDArray[np.int64], later: NDArray[np.int64], most: int) -> int:
        """Fit ``earlier`` until the loss of ``later`` has not fallen for ``patience`` epochs; return the best epoch."""
        import torch

        best, lowest = 1, float("inf")
        for epoch in range(1, most + 1):
            self.epoch(earlier)
            with torch.no_grad():
                loss = float(self.loss(later, 0.0))
            if loss < lowest:
                best, lowest = epoch, loss
            elif epoch - best >= int(self.problem.parameters["patience"]):
                break
        return best


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold torch to one thread, whose sums have one order, and give it back its own number."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
