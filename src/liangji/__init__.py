"""Turn raw data into certified, tradable, high-quality datasets for AI.

The folders are the shape: `core` (vocabulary), `kernels` (compiled loops), `stores` (where bytes live), `engine` (recipe → plan →
run), `governance`, `pipeline` (the seven modules), `libraries` (use cases), `cli` (a thin door). Imports point down only.
"""

from importlib.metadata import version

__version__ = version("liangji")
