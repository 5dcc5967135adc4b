"""Data-Juicer on the corpus."""
