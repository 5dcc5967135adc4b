"""资源库、技术库、标准库、数据集库: use cases over resources, technologies, standards and datasets."""
