"""封装: the package that is handed over, and its verification."""
