"""生成: data made by rule or by simulation; every record of it is marked as generated, and what was planted in it is known."""
