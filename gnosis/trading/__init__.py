"""Trading: from stored predictions and engine states to ideas with a side, odds, a size and reasons.

Examples
--------
>>> from gnosis.trading.parameters import IdeaParameters
>>> IdeaParameters().kelly_share
0.25
"""
