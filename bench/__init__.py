"""What we claim about speed and memory, measured. `make bench` runs it all; each module runs by itself: `python -m bench.large_build`."""
