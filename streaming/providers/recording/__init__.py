"""Recorded feeds: files of answers, played like a provider."""
