"""Environments of other tools under `bench/.environments`, one each, made from the pinned `requirements.txt` beside their `run.py`."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).parent
PEERS = tuple(sorted(file.parent.name for file in (ROOT / "peers").glob("*/requirements.txt")))


def ensure_environment(peer: str) -> Path:
    """Make the environment of a peer unless it is there as wanted; give its interpreter. Needs a package index the first time.

    Raises: subprocess.CalledProcessError where it cannot be installed.
    """
    folder = ROOT / ".environments" / peer
    python, done = folder / "bin" / "python", folder / "installed.txt"
    wanted = (ROOT / "peers" / peer / "requirements.txt").read_text("utf-8")
    if not done.exists() or done.read_text("utf-8") != wanted:
        venv.create(folder, clear=True, symlinks=True, with_pip=True)
        requirements = str(ROOT / "peers" / peer / "requirements.txt")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--requirement", requirements], check=True)
        done.write_text(wanted, "utf-8")
    return python
