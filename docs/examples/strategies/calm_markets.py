"""A strategy of one's own: equal weights in calm markets."""

from gnosis.backtest import strategy


@strategy(reads=("features.regime",), grid={"calm_below": (15.0, 20.0, 25.0)})
def calm_markets(view, *, calm_below=20.0):
    """Equal weights while the VIX is low, cash otherwise."""
    levels = view.today("features.regime").drop_nulls("regime_vix")
    calm = dict(levels.select("symbol", "regime_vix").iter_rows())
    return {symbol: (calm[symbol] < calm_below) / len(view.symbols) for symbol in view.symbols if symbol in calm}
