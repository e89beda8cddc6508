"""Elasticity engine: how many dollars move a symbol by 1 %, and whether dealer hedging damps or feeds the move."""

from gnosis.engines.elasticity.quality import expected_listing
from gnosis.engines.elasticity.state import elasticity

__all__ = ["elasticity", "expected_listing"]
