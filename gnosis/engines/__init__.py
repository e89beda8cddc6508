"""The engines and the physics that they share; each engine is a package of its own, imported by its name."""
