from __future__ import annotations

import gzip
import importlib.util
import json
import random
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.governance.personal_information.detection import Finding, find, find_in
from liangji.governance.personal_information.kinds import KINDS, SECRETS, WITH_FORMAT, check_names


def _neighbour(name: str) -> ModuleType:
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


written = _neighbour("written")

KIND_OF_LABEL = {
    "BANK_CARD": "bank_card",
    "CN_ID": "resident_identity_number",
    "EMAIL": "email",
    "IP": "ip_address",
    "LANDLINE": "landline",
    "PASSPORT": "passport",
    "PHONE": "mobile_phone",
    "PLATE": "vehicle_plate",
    "USCC": "unified_social_credit_code",
    "WECHAT": "wechat_account",
    "PERSON": "person_name",
    "ADDRESS": "postal_address",
}


def _rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _shares(right: int, missed: int, wrong: int) -> tuple[float, float]:
    return right / (right + missed), right / (right + wrong)


def test_kinds_with_a_format_are_found_in_chinese_texts(shared_data: Path) -> None:
    right, missed, wrong = 0, 0, 0
    for row in _rows(shared_data / "pii_safety/pii_zh_made.jsonl.gz"):
        truth = {(span["start"], span["end"], KIND_OF_LABEL[span["label"]]) for span in row["spans"]}
        truth = {span for span in truth if span[2] in WITH_FORMAT}
        found = {tuple(finding[:3]) for finding in find(row["text"], WITH_FORMAT)}
        right, missed, wrong = right + len(truth & found), missed + len(truth - found), wrong + len(found - truth)
    recall, precision = _shares(right, missed, wrong)
    assert right > 1000
    assert recall >= 0.98
    assert precision >= 0.97


def test_names_and_addresses_are_believed_in_context_only(shared_data: Path) -> None:
    right, missed, wrong = 0, 0, 0
    for row in _rows(shared_data / "pii_safety/pii_zh_made.jsonl.gz"):
        truth = {(s["start"], s["end"], KIND_OF_LABEL[s["label"]]) for s in row["spans"] if s["label"] in {"PERSON", "ADDRESS"}}
        found = {tuple(finding[:3]) for finding in find(row["text"], {"person_name", "postal_address"})}
        right, missed, wrong = right + len(truth & found), missed + len(truth - found), wrong + len(found - truth)
    recall, precision = _shares(right, missed, wrong)
    assert precision >= 0.95
    assert recall >= 0.8


def test_secrets_are_found_and_look_alikes_are_not(shared_data: Path) -> None:
    right, missed, wrong = 0, 0, 0
    for row in _rows(shared_data / "pii_safety/secrets_made.jsonl.gz"):
        spans = {finding[:2] for finding in find(row["text"])}
        if row["secret"]:
            hit = (row["start"], row["end"]) in spans
            right, missed, wrong = right + hit, missed + (not hit), wrong + len(spans) - hit
        else:
            wrong += len(spans)
    recall, precision = _shares(right, missed, wrong)
    assert recall >= 0.98
    assert precision >= 0.97


def test_kinds_with_a_format_are_found_in_english_texts(shared_data: Path) -> None:
    kinds = {
        "US_SSN": {"us_social_security_number"},
        "CREDIT_CARD": {"bank_card"},
        "EMAIL_ADDRESS": {"email"},
        "IP_ADDRESS": {"ip_address"},
        "PHONE_NUMBER": {"phone", "mobile_phone", "landline"},
    }
    found_of, all_of = Counter[str](), Counter[str]()
    with gzip.open(shared_data / "pii_safety/presidio_synth_en.json.gz", "rt", encoding="utf-8") as file:
        for row in json.load(file):
            findings = find(row["full_text"], WITH_FORMAT)
            for span in row["spans"]:
                if span["entity_type"] in kinds:
                    all_of[span["entity_type"]] += 1
                    found_of[span["entity_type"]] += any(
                        f.start < span["end_position"] and f.end > span["start_position"] and f.kind in kinds[span["entity_type"]]
                        for f in findings
                    )
    recall = {name: found_of[name] / all_of[name] for name in all_of}
    assert recall["US_SSN"] == recall["EMAIL_ADDRESS"] == recall["IP_ADDRESS"] == 1.0
    assert recall["CREDIT_CARD"] >= 0.9
    assert recall["PHONE_NUMBER"] >= 0.9


@pytest.mark.parametrize("kind", sorted(written.MAKERS))
def test_a_value_is_found_however_it_is_written(kind: str) -> None:
    source = random.Random(kind)
    cases = [written.written(source, kind) for _ in range(300)]
    missed = [case for case in cases if (case.start, case.end, kind) not in {f[:3] for f in find(case.text, WITH_FORMAT)}]
    assert len(missed) <= 3, missed[:5]


def test_look_alikes_are_not_reported() -> None:
    source = random.Random("look-alikes")
    texts = [written.look_alike(source) for _ in range(3000)]
    reported = [(text, find(text)) for text in texts if find(text)]
    assert len(reported) <= 15, reported[:10]


def test_a_failed_check_is_a_finding_of_low_confidence() -> None:
    assert find("证件110105194912310021") == []
    assert find("证件110105194912310021", minimum_confidence="low") == [Finding(2, 20, "resident_identity_number", "low")]


PIECES = ("电话", "13800138000", "１３８　００１３　８０００", "😀", "𠮷", "\u200b", " ", "\n", "，", "11010519491231002X", "a@b.example", "京A12345", "-", "1", "x=", "密码:aB3$dE6!", "\ud800")  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=12).map("".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(texts.map(lambda text: text.encode("utf-8", "replace").decode()) | st.none(), max_size=6), st.integers(0, 6))
def test_a_column_gives_what_its_texts_give_alone(column: list[str | None], cut: int) -> None:
    array = pa.array(column, pa.large_string())
    alone = [tuple(find(text)) if text is not None else () for text in column]
    assert find_in(array) == alone
    assert find_in(array[cut:]) == alone[cut:]
    assert find_in(array.cast(pa.string())) == alone


@settings(max_examples=150, deadline=None)
@given(texts, texts)
def test_findings_are_sorted_within_the_text_and_apart(before: str, after: str) -> None:
    text = before + "，13800138000。" + after
    findings = find(text, minimum_confidence="low")
    ends = [0, *(finding.end for finding in findings)]
    assert all(end <= finding.start < finding.end <= len(text) for end, finding in zip(ends, findings, strict=False))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="😀𠮷é字\u200b ，a", max_size=400))
def test_positions_are_code_points_of_the_text_as_given(before: str) -> None:
    text = before + "。１３８－００１３－８０００。"
    finding = find(text)[-1]
    assert text[finding.start : finding.end] == "１３８－００１３－８０００"


def test_a_long_private_key_is_one_finding() -> None:
    source = random.Random(1)
    lines = ["".join(source.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL0123456789+/", k=64)) for _ in range(60)]
    key = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *lines, "-----END RSA PRIVATE KEY-----"])
    assert find(f"before\n{key}\nafter") == [Finding(7, 7 + len(key), "private_key", "high")]


def test_every_kind_has_its_words_in_both_languages() -> None:
    assert all(kind.title("zh") and kind.title("en") for kind in KINDS.values())
    assert not SECRETS - WITH_FORMAT


def test_an_unknown_kind_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="did you mean 'mobile_phone'"):
        check_names(["mobil_phone"])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("旅客李雷持E12345678于虹桥机场入境", ["E12345678"]),
        ("座机 0571-81182894-8001，传真0571 8118 2894", ["0571-81182894-8001", "0571 8118 2894"]),
        ("手机：138-0013-8000/139 1234 5678", ["138-0013-8000", "139 1234 5678"]),
        ("电话13800138000一号楼", ["13800138000"]),
        ("我的号码是壹叁捌零零壹叁捌零零零", ["壹叁捌零零壹叁捌零零零"]),
        ("MAC 00:1A:2B:3C:4D:5E IMEI：490154203237518", ["00:1A:2B:3C:4D:5E", "490154203237518"]),
        ("服务器10.0.3.17运行版本10.0.3.17", ["10.0.3.17"]),
        ("fe80::1ff:fe23:4567:890a", ["fe80::1ff:fe23:4567:890a"]),
        ("经度116.397428，纬度39.90923；版本 39.9042.116.4074", ["116.397428", "39.90923"]),
        ("加微信 zhangsan888，QQ：123456789", ["zhangsan888", "123456789"]),
        ("港澳通行证H12345678，军官证：南字第1234567号", ["H12345678", "南字第1234567号"]),
        ("DE89 3704 0044 0532 0130 00 and A123456(3)", ["DE89 3704 0044 0532 0130 00", "A123456(3)"]),
        ("VIN LSVAU2180N2183294 unchecked, 1M8GDM9AXKP042788 checked", ["1M8GDM9AXKP042788"]),
        ("Server=a;Uid=b;Pwd=Xk29#dk2;", ["Xk29#dk2"]),
        (
            "紧急联系人（+8613358193205），备用（86-13888493537）、（+86）13358193205",
            ["+8613358193205", "86-13888493537", "（+86）13358193205"],
        ),
        ("收件人:李平 0512 81043530，或拨 02177136231", ["0512 81043530", "02177136231"]),
        ('<input name="idcard" value="110105491231002"/> 身份证号码：110105491231002', ["110105491231002", "110105491231002"]),
        ("护照号码 E 6200 9330，证件号码：6200 9330", []),
        ("邮箱 li.na88 @ example.com，mail: lina @ example.com.cn", ["li.na88 @ example.com", "lina @ example.com.cn"]),
        ("let us meet @ example.com, see you @ noon", []),
        ("坐标 (536.991,365.299) 坐标 116.3974,39.9092", ["116.3974,39.9092"]),
        ("耗时 13.812345678 秒，共 13812345678 元，cell.2020.01.001", []),
        ("Order No. DE89370400440532013000", []),
        ("沪ICP备12345678号-1 京公网安备11010502030123号", []),
        ("PO-13812345678，物料编码13812345678，SN:E12345678，零件号 6222021001116245702", []),
    ],
)
def test_values_are_found_in_the_contexts_of_their_kind(text: str, values: list[str]) -> None:
    assert [text[finding.start : finding.end] for finding in find(text, WITH_FORMAT)] == values


def test_an_address_of_hardware_in_three_groups_is_found_without_a_digit_run_or_capitals() -> None:
    assert [(found.kind, found.start, found.end) for found in find("网卡 001a.2b3c.4d5e 已更换")] == [("mac_address", 3, 17)]
