"""Elasticity engine: how many dollars move a symbol by 1 %, and whether dealer hedging damps or feeds the move."""

from gnosis.engines.elasticity.profile import GammaProfiles, gamma_profiles
from gnosis.engines.elasticity.quality import expected_listing
from gnosis.engines.elasticity.state import elasticity

__all__ = ["GammaProfiles", "elasticity", "expected_listing", "gamma_profiles"]
