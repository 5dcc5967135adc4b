"""`make bench`: measure ourselves and other tools on one corpus, each step in a process of its own.

    python -m bench                    everything; writes bench/results/latest.json and docs/guide/speed*.md
    python -m bench --no-peers         only ourselves; other tools keep what was measured of them before
    python -m bench --only datatrove   one tool, one step (statistics_script), or `builds`; may be given again
    python -m bench --only large_build one of the long measurements, which run only when they are asked for
    python -m bench --render           only writes the pages, from the last results

A step that fails is told and left out; the rest goes on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bench import page
from bench.builds import builds
from bench.corpus import LANGUAGES, ensure_corpus
from bench.environments import PEERS, ensure_environment
from bench.measure import ROOT, CommandFailed, Ran, run
from bench.rates import write_rates
from bench.results import LATEST, OURS, Machine, Measurement, Results, our_versions
from bench.steps import STEPS

LONG = {  # on data of their own
    "large_build": ["bench.large_build"],
    "near_duplicates_scale": ["bench.near_duplicates_scale"],
    "published_rules": ["bench.conformance.published_rules", "../shared/data"],
}
BUILDS = "builds"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-peers", action="store_true", help="measure only ourselves")
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=[*STEPS, BUILDS, *PEERS, *LONG], help="measure only this"
    )
    parser.add_argument("--write-rates", action="store_true", help="rewrite the rates that `liangji recipe explain` estimates with")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    wanted = set(arguments.only or [*STEPS, BUILDS, *(() if arguments.no_peers else PEERS)])
    failed = _measure_long(wanted & LONG.keys())
    if wanted - LONG.keys():
        failed += _update(set() if arguments.render else wanted, writes_rates=arguments.write_rates)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _measure_long(names: set[str]) -> list[str]:
    failed = []
    for name, command in LONG.items():
        if name in names and subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode:
            failed.append(name)
    return failed


def _update(wanted: set[str], *, writes_rates: bool) -> list[str]:
    """Measure what is wanted, and put it in the place of what was measured before on this machine and corpus."""
    results = Results.load() if LATEST.exists() else None
    if wanted:
        machine, corpus = Machine.this(), ensure_corpus()
        if results is None or (results.machine, results.corpus) != (machine, corpus):
            print("earlier results are of another machine or corpus: they are left out", file=sys.stderr)
            results = Results(machine, corpus, {OURS: our_versions()})
    if results is None:
        raise SystemExit("nothing was measured yet")
    failed = []
    for measure in (_ourselves, _builds, _peers):
        for found in measure(results, wanted):
            if isinstance(found, str):
                failed.append(found)
                continue
            results.put(found)
            _tell(found)
            results.save()
    if writes_rates:
        write_rates(results)
    page.write(results)
    return failed


Found = Iterator[Measurement | str]


def _ourselves(results: Results, wanted: set[str]) -> Found:
    if wanted & {*STEPS, BUILDS}:
        results.versions[OURS] = our_versions()
    for step in STEPS:
        for language in LANGUAGES if step in wanted else ():
            arguments = ["-m", "bench.steps", step, language]
            yield from _measured(OURS, step, language, ["python", *arguments], partial(run, [sys.executable, *arguments]))


def _builds(results: Results, wanted: set[str]) -> Found:
    for language in LANGUAGES if BUILDS in wanted else ():
        try:
            for build in builds(language):
                size = results.corpus["languages"][language]
                printed = {
                    "text_bytes": size["bytes"],
                    "documents": size["documents"],
                    "net_cpu_seconds": build.ran.cpu_seconds,
                    **build.figures,
                }
                yield _measurement(OURS, build.step, language, build.command, build.ran, printed)
        except CommandFailed as error:
            yield _failure(f"{BUILDS} {language}", error)


def _peers(results: Results, wanted: set[str]) -> Found:
    for peer in PEERS:
        if peer not in wanted:
            continue
        try:
            python = str(ensure_environment(peer).relative_to(ROOT))
            module = [python, "-W", "ignore", "-m", f"bench.peers.{peer}.run"]
            listed = run([*module, "--list"]).printed
        except (CommandFailed, subprocess.CalledProcessError) as error:
            yield _failure(peer, error)
            continue
        results.versions[peer], results.steps[peer] = listed["versions"], listed["steps"]
        results.measurements = [one for one in results.measurements if one.tool != peer]
        for step in listed["steps"]:
            for language in LANGUAGES:
                command = [*module, step, language]
                yield from _measured(peer, step, language, command, partial(run, command))


def _measured(tool: str, step: str, language: str, command: list[str], measure: Callable[[], Ran]) -> Found:
    try:
        ran = measure()
    except CommandFailed as error:
        yield _failure(f"{tool} {step} {language}", error)
    else:
        yield _measurement(tool, step, language, " ".join(command), ran, ran.printed)


def _measurement(tool: str, step: str, language: str, command: str, ran: Ran, printed: dict[str, Any]) -> Measurement:
    own = ("text_bytes", "documents", "net_cpu_seconds")
    return Measurement(
        tool,
        step,
        language,
        datetime.now(UTC).isoformat(timespec="seconds"),
        command,
        printed["text_bytes"],
        printed["documents"],
        round(printed["net_cpu_seconds"], 4),
        round(ran.cpu_seconds, 2),
        round(ran.wall_seconds, 2),
        ran.peak_memory_bytes,
        {name: value for name, value in printed.items() if name not in own},
    )


def _failure(what: str, error: Exception) -> str:
    print(f"{what}: {error}", file=sys.stderr, flush=True)
    return what


def _tell(found: Measurement) -> None:
    speed = f"{found.mb_per_cpu_second:9.2f} MB/s"
    print(f"{found.tool:12} {found.step:34} {found.language}  {speed}  {found.wall_seconds:6.1f} s  {found.figures}", flush=True)


if __name__ == "__main__":
    main()
