"""Daft on the corpus."""
