"""Providers of odds: how each is asked, fetched and understood. Imports no Django."""
