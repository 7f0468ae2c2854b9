"""The Odds API v4: live and historical answers."""
