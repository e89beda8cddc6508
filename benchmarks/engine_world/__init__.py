"""Input of the engines' benchmark, made in memory, and how its calls are timed."""
