"""汇聚: raw records of many shapes become records of one schema."""
