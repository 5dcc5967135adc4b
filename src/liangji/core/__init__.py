"""The vocabulary: record schemas, operator contract, reading contract, options, errors, units, registry. Pure; no I/O."""
