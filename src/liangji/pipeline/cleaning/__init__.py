"""清洗: normalisation, rules, duplicates, personal information."""
