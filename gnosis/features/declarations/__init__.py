"""What each feature is, one module per group; :mod:`gnosis.features.registry` puts them together."""
