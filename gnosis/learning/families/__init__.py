"""The model families, one module each; :mod:`gnosis.learning.models` holds them by name."""
