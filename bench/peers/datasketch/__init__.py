"""datasketch on the corpus."""
