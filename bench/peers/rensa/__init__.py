"""rensa on the corpus."""
