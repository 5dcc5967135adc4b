"""Write docs/guide/speed.md, speed.zh.md and their charts from the last results. Nothing is measured here and no number is kept here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.builds import recipe
from bench.chart import Row, speeds_chart
from bench.corpus import LANGUAGES
from bench.results import OURS, Measurement, Results
from liangji.governance.personal_information.kinds import WITH_FORMAT

HERE = Path(__file__).parent
GUIDE = HERE.parent / "docs" / "guide"
WORDS: dict[str, Any] = yaml.safe_load((HERE / "words.yaml").read_text("utf-8"))
TARGETS: dict[str, float] = yaml.safe_load((HERE / "targets.yaml").read_text("utf-8"))
TOOLS: dict[str, str] = WORDS["tools"]
_MAIN = ("datatrove", "data_juicer")  # peers with a column of their own; the others share one
_OTHERS = tuple(name for name in TOOLS if name not in (OURS, *_MAIN))
_NAMES = {"en": ("speed.md", "speed.svg"), "zh": ("speed.zh.md", "speed.zh.svg")}


def write(results: Results, folder: Path = GUIDE) -> None:
    for name, text in pages(results).items():
        (folder / name).write_text(text, "utf-8")


def pages(results: Results) -> dict[str, str]:
    """Give every file that is written: name below docs/guide → text."""
    made = {}
    for language, (page, chart) in _NAMES.items():
        made[page] = _Page(results, language).text()
        made[chart] = _Page(results, language).chart()
    return made


class _Page:
    """One language of the page."""

    def __init__(self, results: Results, language: str) -> None:
        self.results, self.language = results, language
        self.words: dict[str, Any] = WORDS[language]
        self.heads: dict[str, Any] = self.words["tables"]

    def text(self) -> str:
        # Markdown, not HTML: escaping would show in the page.
        environment = Environment(loader=FileSystemLoader(HERE), undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701
        results, corpora = self.results, self.results.corpus["languages"]
        return environment.get_template(f"speed.{self.language}.md.jinja").render(
            words=self.words,
            versions=results.versions,
            date=max(one.date for one in results.measurements)[:10],
            machine=self.heads["machine"].format(
                processor=results.machine.processor,
                cores=results.machine.cores,
                memory=results.machine.memory_bytes / 1e9,
                python=results.machine.python,
            ),
            corpus=self.heads["corpus"].format(
                mb=sum(one["bytes"] for one in corpora.values()) / 1e6,
                en=f"{corpora['en']['documents']:,}",
                zh=f"{corpora['zh']['documents']:,}",
                planted=f"{sum(one['planted'] for one in corpora.values()):,}",
                sha=" / ".join(corpora[language]["sha256"][:8] for language in LANGUAGES),
            ),
            megabytes=f"{corpora['en']['bytes'] / 1e6:.0f}",
            kinds=len(WITH_FORMAT),
            recipe=recipe("zh"),
            comparison=self.comparison(),
            caught=self.caught(),
            builds=self.builds(),
            stages=self.stages(),
            every=self.every(),
            all_versions=_versions(results),
        )

    def chart(self) -> str:
        rows = [
            Row(f"{name} · {self.words['languages'][text]}", speeds)
            for step, name in self.words["steps"].items()
            for text in LANGUAGES
            if (speeds := {TOOLS[tool]: one.mb_per_cpu_second for tool in TOOLS if (one := self.results.find(tool, step, text))})
        ]
        measured = [name for name in TOOLS.values() if any(name in row.speeds for row in rows)]
        return speeds_chart(rows, measured, self.words["chart"], self.words["axis"])

    def comparison(self) -> str:
        """Give the table of steps: ours, the target, the peers, and how many times the fastest of them we are."""
        rows = []
        for step, name in self.words["steps"].items():
            for text in LANGUAGES:
                ours = self.results.find(OURS, step, text)
                if ours is None:
                    continue
                peers = {tool: one for tool in (*_MAIN, *_OTHERS) if (one := self.results.find(tool, step, text))}
                fastest = max((one.mb_per_cpu_second for one in peers.values()), default=0.0)
                rows.append(
                    [
                        name,
                        self.words["languages"][text],
                        f"**{_speed(ours)}**",
                        self._target(step, ours),
                        *(self._peer(tool, step, peers) for tool in _MAIN),
                        "<br>".join(f"{TOOLS[tool]} {_speed(peers[tool])}" for tool in _OTHERS if tool in peers) or "–",
                        f"{ours.mb_per_cpu_second / fastest:.3g}" if fastest else "–",
                    ]
                )
        return _table(self.heads["comparison"], rows)

    def _target(self, step: str, ours: Measurement) -> str:
        if step not in TARGETS:
            return "–"
        outcome = self.words["met" if ours.mb_per_cpu_second >= TARGETS[step] else "missed"]
        return f"{TARGETS[step]:g} {outcome}"

    def _peer(self, tool: str, step: str, peers: dict[str, Measurement]) -> str:
        if tool in peers:
            return _speed(peers[tool])
        if step in self.results.steps.get(tool, [step]):
            return str(self.words["not_measured"])
        return str(self.words["missing"].get(tool, {}).get(step, self.words["no_such_step"]))

    def caught(self) -> str:
        kinds = self.heads["kinds"]
        rows = []
        for text in LANGUAGES:
            for tool, name in TOOLS.items():
                one = self.results.find(tool, "near_duplicates", text)
                if one:
                    shares = [one.figures["caught"][kind] for kind in kinds]
                    removed = f"{one.figures['removed']:,} / {one.documents:,}"
                    rows.append([self.words["languages"][text], name, removed, *(f"{found} / {all_}" for found, all_ in shares)])
        return _table((*self.heads["caught"], *kinds.values()), rows)

    def builds(self) -> str:
        rows = []
        for text in LANGUAGES:
            for step, name in self.heads["build_names"].items():
                one = self.results.find(OURS, step, text)
                if one is None:
                    continue
                is_build = "rows_out" in one.figures
                rows.append(
                    [
                        self.words["languages"][text],
                        name,
                        f"{one.figures['rows_in']:,} → {one.figures['rows_out']:,}" if is_build else "–",
                        f"{one.cpu_seconds:.1f}",
                        f"{one.wall_seconds:.1f}{self._gain(one)}",
                        _speed(one) if is_build else "–",
                        f"{one.text_bytes / 1e6 / one.wall_seconds:.3g}" if is_build else "–",
                        f"{one.peak_memory_bytes / 1e6:.0f} MB",
                    ]
                )
        return _table(self.heads["builds"], rows)

    def _gain(self, one: Measurement) -> str:
        """Tell how many times faster two workers are than one."""
        single = self.results.find(OURS, "whole_recipe", one.language)
        if one.step != "whole_recipe_two_threads" or single is None:
            return ""
        return f" ({single.wall_seconds / one.wall_seconds:.2f}×)"

    def stages(self) -> str:
        rows = []
        for step, name in self.words["stages"].items():
            speeds = [self.results.find(OURS, step, text) for text in LANGUAGES]
            rows.append([name, *(_speed(one) if one else "–" for one in speeds)])
        return _table(self.heads["stages"], rows)

    def every(self) -> str:
        return _table(
            self.heads["every"],
            [
                [
                    TOOLS[one.tool],
                    one.step,
                    one.language,
                    f"{one.text_bytes / 1e6:.1f}",
                    f"{one.net_cpu_seconds:.3g}",
                    f"{one.cpu_seconds:.3g}",
                    f"{one.peak_memory_bytes / 1e6:.0f}",
                    f"`{one.command}`",
                ]
                for tool in TOOLS
                for one in self.results.measurements
                if one.tool == tool
            ],
        )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _speed(one: Measurement) -> str:
    speed = one.mb_per_cpu_second
    return f"{speed:,.0f}" if speed >= 100 else f"{speed:.3g}"


def _versions(results: Results) -> str:
    return "; ".join(
        f"{TOOLS[tool]}: " + ", ".join(f"{name} {number}" for name, number in results.versions[tool].items() if name != "commit")
        for tool in TOOLS
        if tool in results.versions
    )
