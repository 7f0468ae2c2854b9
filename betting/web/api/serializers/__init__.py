"""How rows are told to clients. Numbers are as `docs/valuation.md` defines them."""
