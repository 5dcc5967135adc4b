"""The page on speed says what was measured last, in both languages, and the corpus has what its truth says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import pytest
import yaml
from bench import corpus, page
from bench.chart import Row, speeds_chart
from bench.environments import PEERS
from bench.measure import CommandFailed, run
from bench.peers import protocol
from bench.rates import write_rates
from bench.results import OURS, Machine, Measurement, Results
from bench.steps import STEPS

from liangji.libraries.datasets.planning import shipped_rates

ROOT = Path(__file__).parent.parent
MACHINE = Machine("a processor", 2, 24_000_000_000, "Linux", "3.11.7")


def measured(step: str, seconds: float = 2.0, tool: str = OURS, language: str = "zh") -> Measurement:
    return Measurement(tool, step, language, "2026-11-20T10:00:00+00:00", "command", 100_000_000, 10, seconds, 5.0, 6.0, 1 << 28)


def test_the_pages_are_as_the_last_results_are() -> None:
    written = page.pages(Results.load())
    stale = [name for name, text in written.items() if (page.GUIDE / name).read_text("utf-8") != text]
    assert stale == [], "run `python -m bench --render`"


def test_every_step_and_tool_is_named_in_both_languages() -> None:
    english, chinese = page.WORDS["en"], page.WORDS["zh"]
    assert [(key, list(value)) for key, value in english.items() if isinstance(value, dict)] == [
        (key, list(value)) for key, value in chinese.items() if isinstance(value, dict)
    ]
    builds = english["tables"]["build_names"]
    assert {*english["steps"], *english["stages"], *builds} >= set(page.TARGETS)
    assert {OURS, *PEERS} == set(page.TOOLS)
    unknown = {*english["steps"], *english["stages"]} - STEPS.keys() - builds.keys()
    assert unknown == set()


def test_results_come_back_as_they_were_saved(tmp_path: Path) -> None:
    results = Results(MACHINE, {"languages": {}}, {OURS: {"liangji": "1"}}, {"rensa": ["near_duplicates"]}, [measured("digest")])
    results.save(tmp_path / "latest.json")
    assert Results.load(tmp_path / "latest.json") == results


def test_a_new_measurement_takes_the_place_of_the_old_one() -> None:
    results = Results(MACHINE, {}, {}, {}, [measured("digest", 2.0), measured("digest", 3.0, language="en")])
    results.put(measured("digest", 1.0))
    assert sorted((one.language, one.net_cpu_seconds) for one in results.measurements) == [("en", 3.0), ("zh", 1.0)]
    assert results.find(OURS, "digest", "zh") == measured("digest", 1.0)


def test_a_target_is_told_as_missed_where_it_is() -> None:
    results = Results(MACHINE, {}, {}, {}, [measured("whole_recipe", 5.0), measured("whole_recipe", 3.0, language="en")])
    (english, chinese) = page._Page(results, "en").comparison().splitlines()[2:]
    assert "25 met" in english
    assert "25 missed" in chinese


def test_a_step_that_a_peer_lacks_says_so_and_the_ratio_is_to_the_fastest() -> None:
    peers = [measured("minhash_signatures", seconds, tool) for tool, seconds in (("datatrove", 100.0), ("daft", 8.0))]
    steps = {"datatrove": ["minhash_signatures"], "data_juicer": []}
    results = Results(MACHINE, {}, {}, steps, [measured("minhash_signatures", 2.0), *peers])
    (row,) = page._Page(results, "zh").comparison().splitlines()[2:]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:] == ["**50**", "240 未达到", "1", "没有这一步", "Daft 12.5", "4"]


def test_a_step_that_a_peer_has_but_failed_at_is_not_told_as_lacking() -> None:
    results = Results(MACHINE, {}, {}, {"datatrove": ["minhash_signatures"]}, [measured("minhash_signatures")])
    (row,) = page._Page(results, "en").comparison().splitlines()[2:]
    assert row.count("not measured") == 2  # nothing is known of Data-Juicer either


def test_the_chart_places_speeds_by_their_logarithm() -> None:
    tools = ["liangji", "peer"]
    svg = speeds_chart([Row("a < b", {"liangji": 1000.0, "peer": 10.0}), Row("c", {"liangji": 100.0})], tools, "title", "axis")
    tree = ET.fromstring(svg)  # noqa: S314  # our own
    marks = [(mark, mark.findtext("{*}title")) for mark in tree.iter() if mark.findtext("{*}title") and mark is not tree]
    places = {title: float(mark.get("cx") or float(mark.get("x", 0)) + 6) for mark, title in marks}
    first, middle, last = (places[title] for title in ("peer: 10 MB/s", "liangji: 100 MB/s", "liangji: 1e+03 MB/s"))
    assert middle - first == pytest.approx(last - middle, abs=0.2)
    assert "a &lt; b" in svg


def test_what_a_command_took_is_told_with_what_it_printed() -> None:
    work = "import json; print('noise'); data = b'x' * 50_000_000; sum(range(3_000_000)); print(json.dumps({'size': len(data)}))"
    ran = run(["python3", "-c", work])
    assert ran.printed == {"size": 50_000_000}
    assert 0 < ran.cpu_seconds <= ran.wall_seconds + 0.1
    assert ran.peak_memory_bytes > 50_000_000


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(CommandFailed, match="no such thing"):
        run(["python3", "-c", "raise SystemExit('no such thing')"])


@pytest.fixture(scope="module")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "PARTS", 2)
        patch.setattr(corpus, "PART_BYTES", 400_000)
        patch.setattr(corpus, "SHARED", folder / "absent")
        patch.setattr(protocol, "CORPUS", folder)
        for language in corpus.LANGUAGES:
            corpus._make_language(folder, language)
        yield folder


@pytest.mark.parametrize("language", corpus.LANGUAGES)
def test_every_planted_copy_resembles_its_original(small_corpus: Path, language: str) -> None:
    for number in range(2):
        path = small_corpus / language / f"{number:02}"
        records = [json.loads(line) for line in path.with_suffix(".jsonl").read_text("utf-8").splitlines()]
        texts = {record["id"]: record["text"] for record in records}
        assert len(texts) == len(records)
        pairs = [json.loads(line) for line in path.with_suffix(".truth.jsonl").read_text("utf-8").splitlines()]
        assert {pair["planted"] for pair in pairs} == {"exact", "edited_0.01", "edited_0.02", "edited_0.04", "wrapped"}
        for pair in pairs:
            copy, original = texts[pair["id"]], texts[pair["original"]]
            assert (copy == original) or pair["planted"] != "exact"
            assert (original in copy) or pair["planted"] in ("edited_0.01", "edited_0.02", "edited_0.04")
            assert len(copy) > 0.8 * len(original)
        assert len(set(texts.values())) >= len(texts) - sum(pair["planted"] == "exact" for pair in pairs) - len(pairs) // 5


def test_the_corpus_is_the_same_again(small_corpus: Path, tmp_path: Path) -> None:
    again = corpus._make_language(tmp_path / "again", "zh")
    assert again["bytes"] > 2 * 400_000 * 0.9
    for file in sorted((small_corpus / "zh").glob("*.jsonl")):
        assert file.read_bytes() == (tmp_path / "again" / "zh" / file.name).read_bytes()


def test_a_copy_counts_as_caught_where_not_both_are_kept(small_corpus: Path) -> None:
    assert 300_000 <= protocol.read_slice("en", 300_000).text_bytes < 380_000
    part = protocol.read_slice("en", 1 << 30)
    assert part.ids[0] == "en-00-00000"
    everything = protocol.caught("en", part.ids, part.ids)
    nothing = protocol.caught("en", part.ids, [])
    assert everything
    assert all(found == planted > 0 for found, planted in everything.values())
    assert {kind: [0, planted] for kind, (_, planted) in everything.items()} == nothing
    assert set(protocol.caught("en", part.ids, [], "exact")) == {"exact"}


def test_a_chain_goes_on_only_as_what_it_has_read() -> None:
    source = "words follow words and then other words follow\n"
    pairs = {*pairwise(corpus._TOKEN.findall(source)), ("\n", "words ")}  # at its end it starts again
    text = corpus.Chain([source]).write(Random(1), 300)
    assert 299 <= len(text) < 330  # white space at its end goes
    assert set(pairwise(corpus._TOKEN.findall(text)[:-1])) <= pairs


def test_rates_are_written_as_the_forecast_reads_them(tmp_path: Path) -> None:
    whitespace = replace(measured("statistics_whitespace", 1.0), figures={})
    results = Results(
        MACHINE,
        {},
        {OURS: {"liangji": "0.1.0"}},
        {},
        [whitespace, replace(whitespace, language="en", net_cpu_seconds=3.0), measured("statistics_script", 2.0)],
    )
    write_rates(results, tmp_path / "rates.yaml")
    written = yaml.safe_load((tmp_path / "rates.yaml").read_text("utf-8"))
    assert written["rates"]["measure_text"]["mb_per_cpu_second"] == 50.0
    assert written["rates"]["measure_text"]["variants"] == [
        {"options": {"words": "script"}, "mb_per_cpu_second": 50.0, "peak_memory_bytes": 1 << 28}
    ]
    assert shipped_rates().rates["measure_text"].speed({"words": "script"}) > 0
