"""Where bytes live: dataset tables, objects, the metadata database, and the workspace that holds the three together.

tables      immutable versions of rows, in Lance; the only module that knows Lance
metadata    datasets, versions, runs, units, hashes of input files; SQLite or PostgreSQL
objects     whole objects by key, on disk or on an object store
workspace   one directory (and, where wanted, a bucket and a database server) that is opened once, at the edge
facts       the values that cross these doors
"""
