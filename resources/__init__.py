"""The outside world: the lake, providers of market data, experiment tracking and alerts."""
