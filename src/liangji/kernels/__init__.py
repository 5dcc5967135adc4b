"""Compiled inner loops (numba, nogil) over Arrow buffers. Pure; they know nothing else of the project."""
