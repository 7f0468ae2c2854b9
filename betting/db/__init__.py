"""SQL and queries that all readers of the tables share."""
