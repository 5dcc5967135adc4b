"""datatrove on the corpus."""
