"""Live services behind one router: what every adapter shares, and how one is chosen, repeated and compared."""
