"""The metadata database: what datasets, versions, runs and finished units there are.

models        the tables, as SQLAlchemy sees them
migrations    how the tables came to be, run by code when a database is opened
repository    the questions and changes that the layers above have; nobody above sees SQL
"""

from liangji.stores.metadata.repository import Entry, Metadata

__all__ = ["Entry", "Metadata"]
