"""Which processor makes which of the 141 features: a partition, and each column as its definition asks."""

from __future__ import annotations

import csv
from pathlib import Path

import dataframely as dy
import polars as pl
import pytest

from gnosis.tables import TABLES
from gnosis.tables.engines import PROCESSORS

FEATURES = """
1 hedge_pressure_up float
2 hedge_pressure_down float
3 hedge_net_pressure float
4 hedge_elasticity float
5 hedge_movement_energy float
6 hedge_elasticity_up float
7 hedge_elasticity_down float
8 hedge_movement_energy_up float
9 hedge_movement_energy_down float
10 hedge_energy_asymmetry float
11 hedge_gamma_pressure float
12 hedge_vanna_pressure float
13 hedge_charm_pressure float
14 hedge_dealer_gamma_sign float
15 hedge_primary_regime category
16 hedge_gamma_regime category
17 hedge_vanna_regime category
18 hedge_charm_regime category
19 hedge_jump_risk_regime category
20 hedge_potential_shape category
21 hedge_confidence float
22 hedge_regime_stability float
23 hedge_cross_asset_correlation float
24 hedge_mtf_agreement float
25 liq_score float
26 liq_friction_cost float
27 liq_kyle_lambda float
28 liq_amihud float
29 liq_n_absorption_zones int
30 liq_n_displacement_zones int
31 liq_n_voids int
32 liq_hvn_lvn_balance float
33 liq_orderbook_imbalance float
34 liq_sweep_alert bool
35 liq_iceberg_alert bool
36 liq_compression_energy float
37 liq_expansion_energy float
38 liq_volume_strength float
39 liq_buying_effort float
40 liq_selling_effort float
41 liq_off_exchange_ratio float
42 liq_hidden_accumulation float
43 liq_wyckoff_phase category
44 liq_wyckoff_energy float
45 liq_regime category
46 liq_regime_confidence float
47 liq_polr_direction float
48 liq_polr_strength float
49 liq_confidence float
50 liq_dark_pool_pressure float
51 liq_short_volume_ratio float
52 liq_short_squeeze_pressure float
53 sent_bias category
54 sent_strength float
55 sent_energy float
56 sent_confidence float
57 sent_top_driver_contribution float
58 sent_wyckoff_phase category
59 sent_multi_period_regime category
60 sent_volatility_regime category
61 sent_flow_regime category
62 sent_demand_supply_ratio float
63 sent_spring_detected bool
64 sent_utad_detected bool
65 sent_operator_bias float
66 sent_wyckoff_strength float
67 sent_rsi float
68 sent_rsi_overbought bool
69 sent_rsi_oversold bool
70 sent_rsi_energy_decay_slope float
71 sent_rsi_divergence int
72 sent_mfi float
73 sent_mfi_buy_pressure float
74 sent_mfi_sell_pressure float
75 sent_stoch_k float
76 sent_stoch_d float
77 sent_stoch_impulse bool
78 sent_stoch_reversion bool
79 sent_oscillator_composite float
80 sent_bb_percent_b float
81 sent_bb_bandwidth float
82 sent_bb_mean_reversion_pressure float
83 sent_bb_squeeze_active bool
84 sent_keltner_position float
85 sent_keltner_expansion bool
86 sent_keltner_compression bool
87 sent_keltner_force_boundary float
88 sent_squeeze_detected bool
89 sent_envelope_score float
90 sent_bid_ask_imbalance float
91 sent_aggressive_buy_ratio float
92 sent_aggressive_sell_ratio float
93 sent_net_aggressor_pressure float
94 sent_dix float
95 sent_gex float
96 sent_composite_flow_bias float
97 sent_advance_decline_ratio float
98 sent_pct_above_ma float
99 sent_breadth_thrust bool
100 sent_breadth_divergence int
101 sent_risk_regime category
102 sent_rotation_score float
103 sent_momentum_energy float
104 sent_trend_coherence float
105 sent_exhaustion_detected bool
106 sent_buildup_detected bool
107 sent_volume_trend_correlation float
108 sent_energy_per_volume float
109 sent_volume_confirmation bool
110 sent_exhaustion_vs_continuation float
111 sent_metabolic_load float
112 sent_retail_score float
113 sent_wsb_score float
114 sent_social_volume float
115 tech_macd_histogram float
116 tech_macd_histogram_slope float
117 tech_rsi_slope float
118 tech_atr float
119 tech_atr_expansion float
120 tech_roc_5 float
121 tech_roc_10 float
122 tech_roc_20 float
123 tech_momentum_zscore float
124 tech_adx float
125 tech_plus_di float
126 tech_minus_di float
127 regime_vix float
128 regime_vix_bucket category
129 regime_vix_change float
130 regime_spx_price_gap float
131 regime_spx_realized_vol float
132 regime_spx_vol_bucket category
133 regime_market_structure category
134 regime_session category
135 regime_liquidity_time category
136 macro_fed_funds_rate float
137 macro_yield_curve float
138 macro_inflation_rate float
139 macro_unemployment_rate float
140 macro_gdp_growth float
141 macro_credit_spread float
"""
NAMES, DTYPES = {}, {}
for line in FEATURES.split("\n")[1:-1]:
    n, name, dtype = line.split()
    NAMES[int(n)], DTYPES[int(n)] = name, dtype

PRODUCERS = {
    "greek_field_mapper": [21],
    "dealer_positioning": [1, 2, 3, 11, 14, 16, 24],
    "vanna_flow": [12, 17, 23],
    "charm_decay": [13, 18],
    "elasticity_field": [4, 6, 7],
    "movement_energy": [5, 8, 9, 10, 20],
    "regime_and_flip": [15, 19, 22],
    "order_book_imbalance": [33, 35],
    "slippage_field": [26],
    "impact_and_lambda": [27, 28],
    "toxicity_vpin": [34],
    "dark_pool_and_shorts": [41, 42, 50, 51, 52],
    "structure_and_regime": [25, *range(29, 33), *range(36, 41), 43, 44, 45, 47, 48],
    "reddit": [113],
    "stocktwits": [112],
    "flow_and_dark_pool": [61, *range(90, 97)],
    "technical_regime": [*range(58, 61), *range(62, 90), *range(97, 112)],
}
INTERPRETERS = {"liquidity": [46, 49], "sentiment": [*range(53, 58), 114]}
LIBRARY = list(range(115, 142))
KINDS = {"float": dy.Float64, "int": dy.Int64, "bool": dy.Bool, "category": dy.Enum}


def columns():
    """Return the column of every feature of the engines by its number."""
    parts = {name: part for processors in PROCESSORS.values() for name, part in processors.items()}
    made = {n: parts[processor].columns()[NAMES[n]] for processor, own in PRODUCERS.items() for n in own}
    for engine, own in INTERPRETERS.items():
        made |= {n: TABLES[f"engines.{engine}"].schema.columns()[NAMES[n]] for n in own}
    return made


def test_every_feature_has_one_producer():
    numbers = [n for own in (*PRODUCERS.values(), *INTERPRETERS.values(), LIBRARY) for n in own]
    assert sorted(numbers) == sorted(NAMES) == list(range(1, 142))


def test_no_processor_makes_the_feature_of_another():
    numbers = {name: n for n, name in NAMES.items()}
    for processors in PROCESSORS.values():
        for processor, part in processors.items():
            own = sorted(numbers[column] for column in part.columns() if column in numbers)
            assert own == sorted(PRODUCERS.get(processor, [])), processor


@pytest.mark.parametrize("engine", INTERPRETERS)
def test_features_of_the_interpreter_belong_to_no_processor(engine):
    names = {NAMES[n] for n in INTERPRETERS[engine]}
    assert names <= set(TABLES[f"engines.{engine}"].polars_schema)
    assert not names & {column for part in PROCESSORS[engine].values() for column in part.columns()}


def test_columns_have_the_kind_of_their_feature():
    assert {n: type(column) for n, column in columns().items()} == {n: KINDS[DTYPES[n]] for n in range(1, 115)}


def test_the_feature_library_has_the_rest():
    rooms = {"tech": "technical", "regime": "regime", "macro": "macro"}
    kinds = {"float": pl.Float64, "category": pl.Enum}
    for n in LIBRARY:
        schema = TABLES[f"features.{rooms[NAMES[n].split('_')[0]]}"].polars_schema
        assert schema[NAMES[n]].base_type() == kinds[DTYPES[n]], NAMES[n]


def limits(text):
    """Return the lowest and highest value that a range allows, closed ends only, None where there is none."""
    interval = text.split(",", 2) if text[:1] in "[(" else None
    if interval is None:
        return None, None
    low, high = interval[0], interval[1].split()[0]
    return (
        float(low[1:]) if low[0] == "[" and low[1:] != "-inf" else None,
        float(high[:-1]) if high.endswith("]") else None,
    )


@pytest.mark.real_data
def test_names_kinds_and_ranges_are_those_of_the_definitions(shared_data: Path):
    definitions = shared_data.parent / "spec" / "features_141.csv"
    if not definitions.is_file():
        pytest.skip(f"definitions of the features not found: {definitions}")
    rows = {int(row["n"]): row for row in csv.DictReader(definitions.read_text().splitlines())}
    assert {n: (row["name"], row["dtype"]) for n, row in rows.items()} == {n: (NAMES[n], DTYPES[n]) for n in NAMES}
    for n, column in columns().items():
        text = rows[n]["range"]
        if isinstance(column, dy.Enum):
            assert column.dtype.categories.to_list() == text.strip("{}").split(","), NAMES[n]
        elif isinstance(column, dy.Int64) and text.startswith("{"):
            allowed = [int(value) for value in text.strip("{}").split(",")]
            assert (column.min, column.max) == (min(allowed), max(allowed)), NAMES[n]
        elif not isinstance(column, dy.Bool):
            assert (column.min, column.max) == limits(text), NAMES[n]
