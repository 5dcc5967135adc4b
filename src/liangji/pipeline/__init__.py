"""The seven modules of the platform: 采集 汇聚 清洗 标注 生成 评测 封装. They do not import each other."""
