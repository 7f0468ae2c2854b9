"""The ingest: a decoded answer becomes quotes, line changes and matched events."""
