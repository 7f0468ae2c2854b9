"""The rows' JSON for clients. `docs/valuation.md` defines the numbers."""
