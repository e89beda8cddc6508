"""Elasticity engine: how many dollars move a symbol by 1 %, and whether dealer hedging damps or feeds the move."""

from gnosis.engines.elasticity.listing import expected_listing
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.elasticity.record import ElasticityState, states
from gnosis.engines.elasticity.state import elasticity
from gnosis.engines.elasticity.surface import elasticity_surface

__all__ = ["ElasticityParameters", "ElasticityState", "elasticity", "elasticity_surface", "expected_listing", "states"]
