"""fastText lid.176 on the corpus."""
