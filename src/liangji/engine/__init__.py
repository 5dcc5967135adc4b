"""Recipe → plan → run: shards, exchanges, ledger, quarantine, resume."""
