"""Tables of the engines room: one module per engine, and the tables that the engines share."""

from gnosis.tables.engines.calibration import EnginesCalibration
from gnosis.tables.engines.documents import EnginesDocumentScores
from gnosis.tables.engines.elasticity import EnginesElasticity, EnginesElasticitySurface
from gnosis.tables.engines.liquidity import EnginesLiquidity
from gnosis.tables.engines.processors import PROCESSORS, EnginesProcessors
from gnosis.tables.engines.sentiment import EnginesSentiment

__all__ = [
    "PROCESSORS",
    "EnginesCalibration",
    "EnginesDocumentScores",
    "EnginesElasticity",
    "EnginesElasticitySurface",
    "EnginesLiquidity",
    "EnginesProcessors",
    "EnginesSentiment",
]
