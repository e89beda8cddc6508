"""Values on and next to the cuts of the regimes of the liquidity engine."""

from __future__ import annotations

import numpy as np
import pytest

from gnosis.engines.liquidity.structure_and_regime import score_regime
from gnosis.engines.trailing import banded


@pytest.mark.parametrize(
    ("of", "values", "labels"),
    [
        (banded, [0.2, 0.8], [1, 1]),
        (banded, [np.nextafter(0.2, 0), np.nextafter(0.8, 1)], [0, 2]),
        (lambda rank: banded(rank, (0.1,), (0.9,)), [0.09, 0.1, 0.9, 0.91], [0, 1, 1, 2]),
        (score_regime, [0.8, 0.6, 0.4, 0.2, 0.0], [0, 1, 2, 3, 4]),
        (score_regime, [np.nextafter(cut, 0) for cut in (0.8, 0.6, 0.4, 0.2)], [1, 2, 3, 4]),
    ],
    ids=["terciles at the cuts", "terciles beyond", "book pressure", "score at the cuts", "score below"],
)
def test_value_on_the_cut(of, values, labels):
    assert of(np.array(values)).tolist() == labels
