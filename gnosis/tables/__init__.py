"""The data dictionary: one schema class per stored table, with units, keys, rules and storage period.

A table is ``schema.table``: the same words are its asset key, its folder in the lake and its name in SQL. One module
here per schema; :data:`TABLES` is the whole house.

Examples
--------
>>> TABLES["raw.equity_bars"].period, TABLES["raw.equity_bars"].key
('month', ['session', 'symbol'])
>>> TABLES["greeks.option_greeks"].unit("gamma_per_usd")
'1/$'
"""

from gnosis.tables.backtests import (
    BacktestsEquity,
    BacktestsFills,
    BacktestsMetrics,
    BacktestsOrders,
    BacktestsOverfitting,
    BacktestsReconciliation,
    BacktestsRuns,
    BacktestsTrades,
    BacktestsTrials,
    BacktestsWalkForward,
)
from gnosis.tables.calibration import CALIBRATION, CALIBRATION_SCORES
from gnosis.tables.dictionary import Table, quarantine_table, superseded_table
from gnosis.tables.engines import (
    EnginesCalibration,
    EnginesDocumentScores,
    EnginesElasticity,
    EnginesElasticitySurface,
    EnginesLiquidity,
    EnginesProcessors,
    EnginesSentiment,
)
from gnosis.tables.features import FEATURE_GROUPS, FeaturesCategories, FeaturesMatrix
from gnosis.tables.greeks import (
    GreeksExposure,
    GreeksForwards,
    GreeksLevels,
    GreeksOptionGreeks,
    GreeksSurface,
    GreeksSurfaceCertificate,
)
from gnosis.tables.model_scores import (
    ModelsDrift,
    ModelsEvaluation,
    ModelsFeatureReport,
    ModelsGates,
    ModelsPromotion,
)
from gnosis.tables.models import (
    ModelsDataset,
    ModelsFolds,
    ModelsLabels,
    ModelsStudies,
    ModelsTrained,
)
from gnosis.tables.predictions import ModelsPredictions
from gnosis.tables.raw import (
    RawCryptoBars,
    RawCryptoTickers,
    RawDividends,
    RawDix,
    RawEquityBars,
    RawIndexLevels,
    RawIntradayBars,
    RawMacro,
    RawNews,
    RawOptionQuotes,
    RawOrderBooks,
    RawPosts,
    RawProviderHealth,
    RawQualityEvents,
    RawShortVolume,
    RawSplits,
    RawTrades,
)
from gnosis.tables.trades import (
    TradesCompositions,
    TradesIdeas,
    TradesLegs,
    TradesLineage,
    TradesPolicyVotes,
    TradesSimulations,
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("raw.equity_bars", RawEquityBars, period="month"),
        Table("raw.index_levels", RawIndexLevels, period="month"),
        Table("raw.option_quotes", RawOptionQuotes, period="day"),
        Table("raw.macro", RawMacro, period="year"),
        Table("raw.dividends", RawDividends, period="year"),
        Table("raw.splits", RawSplits, period="year"),
        Table("raw.intraday_bars", RawIntradayBars, period="month"),
        Table("raw.order_books", RawOrderBooks, period="day"),
        Table("raw.trades", RawTrades, period="day"),
        Table("raw.short_volume", RawShortVolume, period="month"),
        Table("raw.dix", RawDix, period="year"),
        Table("raw.posts", RawPosts, period="month"),
        Table("raw.news", RawNews, period="month"),
        Table("raw.crypto_bars", RawCryptoBars, period="month"),
        Table("raw.crypto_tickers", RawCryptoTickers, period="month"),
        Table("raw.quality_events", RawQualityEvents, period="month"),
        Table("raw.provider_health", RawProviderHealth, period="all"),
        Table("greeks.option_greeks", GreeksOptionGreeks, period="day"),
        Table("greeks.forwards", GreeksForwards, period="month"),
        Table("greeks.surface", GreeksSurface, period="month"),
        Table("greeks.surface_certificate", GreeksSurfaceCertificate, period="month"),
        Table("greeks.exposure", GreeksExposure, period="month"),
        Table("greeks.levels", GreeksLevels, period="month"),
        Table("engines.document_scores", EnginesDocumentScores, period="month"),
        Table("engines.liquidity", EnginesLiquidity, period="month"),
        Table("engines.elasticity", EnginesElasticity, period="month"),
        Table("engines.elasticity_surface", EnginesElasticitySurface, period="month"),
        Table("engines.sentiment", EnginesSentiment, period="month"),
        Table("engines.processors", EnginesProcessors, period="month"),
        Table("engines.calibration", EnginesCalibration, period="month"),
        *(Table(f"features.{group}", schema, period="month") for group, schema in FEATURE_GROUPS.items()),
        Table("features.matrix", FeaturesMatrix, period="month"),
        Table("features.categories", FeaturesCategories, period="all"),
        Table("models.labels", ModelsLabels, period="month"),
        Table("models.dataset", ModelsDataset, period="all"),
        Table("models.folds", ModelsFolds, period="all"),
        Table("models.trained", ModelsTrained, period="all"),
        Table("models.studies", ModelsStudies, period="all"),
        Table("models.evaluation", ModelsEvaluation, period="all"),
        Table("models.feature_report", ModelsFeatureReport, period="all"),
        Table("models.predictions", ModelsPredictions, period="month", is_published_once=True),
        Table("models.drift", ModelsDrift, period="month"),
        Table("models.gates", ModelsGates, period="all"),
        Table("models.promotion", ModelsPromotion, period="all"),
        *(
            Table(name, schema, period="month", is_published_once=True, is_append_only=True)
            for name, schema in (
                ("trades.ideas", TradesIdeas),
                ("trades.policy_votes", TradesPolicyVotes),
                ("trades.compositions", TradesCompositions),
                ("trades.simulations", TradesSimulations),
                ("trades.legs", TradesLegs),
                ("trades.lineage", TradesLineage),
            )
        ),
        CALIBRATION,
        CALIBRATION_SCORES,
        Table("backtests.runs", BacktestsRuns, period="all"),
        Table("backtests.orders", BacktestsOrders, period="all"),
        Table("backtests.fills", BacktestsFills, period="all"),
        Table("backtests.trades", BacktestsTrades, period="all"),
        Table("backtests.equity", BacktestsEquity, period="all"),
        Table("backtests.metrics", BacktestsMetrics, period="all"),
        Table("backtests.overfitting", BacktestsOverfitting, period="all"),
        Table("backtests.walk_forward", BacktestsWalkForward, period="all"),
        Table("backtests.reconciliation", BacktestsReconciliation, period="all"),
        Table("backtests.trials", BacktestsTrials, period="all"),
    )
}
_OF_THE_HOUSE = tuple(TABLES.values())
TABLES |= {table.name: table for table in map(quarantine_table, _OF_THE_HOUSE)}
_OF_FETCHING = ("raw.crypto_tickers", "raw.quality_events", "raw.provider_health")
"""What they tell is how one run received its data, so that another run has other rows and not a restatement."""
TABLES |= {
    table.name: table
    for table in (superseded_table(raw) for raw in _OF_THE_HOUSE if raw.room == "raw" and raw.name not in _OF_FETCHING)
}

__all__ = ["TABLES", "Table"]
