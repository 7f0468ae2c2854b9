"""The REST API, version 1: docs/api.md describes its use, ADR 16 gives the reasons."""
