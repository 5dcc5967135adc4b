"""`make bench`: every measurement in turn, each in a process of its own. `--only NAME` runs one of them."""

from __future__ import annotations

import argparse
import subprocess
import sys

MEASUREMENTS = {
    "large_build": ["bench.large_build"],
    "near_duplicates_scale": ["bench.near_duplicates_scale"],
    "published_rules": ["bench.conformance.published_rules", "../shared/data"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(MEASUREMENTS))
    chosen = parser.parse_args().only
    failed = []
    for name, (module, *arguments) in MEASUREMENTS.items():
        if chosen in (None, name):
            print(f"\n== {name}", flush=True)
            if subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode:
                failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
