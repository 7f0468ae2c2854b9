"""Providers in, line changes out."""
