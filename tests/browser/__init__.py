"""A package, so that its tests share one live run: pytest ends a package's fixtures with it."""
