"""Kalshi: its REST API, and recordings of its order-book stream."""
