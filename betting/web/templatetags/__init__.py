"""Template tags that all pages of the web share."""
