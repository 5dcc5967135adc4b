"""数据集库: build a dataset, look at it, report on it, release it."""
