"""Options structures: a table of 28 as data, chosen from quotes, bounded exactly, given odds, and ranked.

- the table: :data:`STRUCTURES`, :data:`BY_ID`, and what a row is made of in :mod:`.schema`
- which rows fit the market: :class:`MarketState`, :func:`shortlist`
- a chain that can be traded: :func:`option_chain`
- every admissible combination, priced, bounded and ranked: :func:`ranked_candidates`, :func:`candidate_frame`,
  :func:`leg_frame`
- profit and loss by price at the near expiry, for a plot: :func:`profit_at`
- one candidate along simulated prices, until its target, its stop or its close-out: :func:`exit_levels`,
  :func:`structure_outcomes`
- the overlay on a position: :func:`delta_hedges`, :func:`whalley_wilmott_band`

Examples
--------
>>> BY_ID["jade_lizard"].number, BY_ID["naked_call"].permission.value
(11, 'simulation_only')
"""

from gnosis.trading.structures.chain import ChainError, OptionChain, option_chain
from gnosis.trading.structures.delta_hedge import delta_hedges, whalley_wilmott_band
from gnosis.trading.structures.eligibility import Ineligible, MarketState, shortlist
from gnosis.trading.structures.exits import EXIT_RULES, ExitLevels, ExitRule, exit_levels
from gnosis.trading.structures.forecast import PriceForecast, lognormal_forecast, sampled_forecast
from gnosis.trading.structures.frames import candidate_frame, leg_frame
from gnosis.trading.structures.margin import MARGIN_RULES, MarginRule, MarginRuleError, margin_rule
from gnosis.trading.structures.path_outcomes import StructureOutcomes, structure_outcomes
from gnosis.trading.structures.premium import Execution
from gnosis.trading.structures.profit_curve import profit_at
from gnosis.trading.structures.ranking import RankedCandidates, ranked_candidates
from gnosis.trading.structures.revaluation import VolatilityConvention
from gnosis.trading.structures.schema import Direction, Permission, Risk, Structure
from gnosis.trading.structures.scoring import SizeRule
from gnosis.trading.structures.selection import Candidates, Rejection
from gnosis.trading.structures.table import BY_ID, STRUCTURES

__all__ = [
    "BY_ID",
    "EXIT_RULES",
    "MARGIN_RULES",
    "STRUCTURES",
    "Candidates",
    "ChainError",
    "Direction",
    "Execution",
    "ExitLevels",
    "ExitRule",
    "Ineligible",
    "MarginRule",
    "MarginRuleError",
    "MarketState",
    "OptionChain",
    "Permission",
    "PriceForecast",
    "RankedCandidates",
    "Rejection",
    "Risk",
    "SizeRule",
    "Structure",
    "StructureOutcomes",
    "VolatilityConvention",
    "candidate_frame",
    "delta_hedges",
    "exit_levels",
    "leg_frame",
    "lognormal_forecast",
    "margin_rule",
    "option_chain",
    "profit_at",
    "ranked_candidates",
    "sampled_forecast",
    "shortlist",
    "structure_outcomes",
    "whalley_wilmott_band",
]
