"""评测: what is measured on records, and the quality report made from it."""
