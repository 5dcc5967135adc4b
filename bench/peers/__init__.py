"""Other tools, each in an environment of its own: `requirements.txt` says what is installed there, `run.py` measures one step."""
