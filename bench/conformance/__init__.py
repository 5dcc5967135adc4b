"""Our rules against those of other tools, decision by decision."""
