"""采集: bytes from files, archives and object stores become raw records; what cannot be read is reported."""
