"""Providers of odds: their requests, transport and decoding. Imports no Django."""
