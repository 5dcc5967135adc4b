"""Hugging Face tokenizers on the corpus."""
