"""The command line: a thin door. Parse, call one use case, render. Results on stdout, talk on stderr."""
