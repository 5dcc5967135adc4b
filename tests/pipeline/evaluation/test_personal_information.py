from __future__ import annotations

import pyarrow as pa
import pytest

from liangji.core.errors import SchemaError
from liangji.pipeline.evaluation.personal_information import FindPersonalInformation

TEXTS = ["电话13812345678，邮箱a@b.example、c@d.example", "没有", None, "", "联系人：张伟"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_findings_are_counted_by_kind(kind: pa.DataType) -> None:
    batch = FindPersonalInformation()(pa.RecordBatch.from_pydict({"text": pa.array(TEXTS, kind)}))
    assert batch["personal_information_count"].to_pylist() == [3, 0, None, 0, 0]
    assert batch["personal_information_kinds"].to_pylist() == ['{"email": 2, "mobile_phone": 1}', "{}", None, "{}", "{}"]


def test_names_are_counted_when_all_kinds_are_asked_for() -> None:
    batch = FindPersonalInformation(kinds="all")(pa.RecordBatch.from_pydict({"text": TEXTS}))
    assert batch["personal_information_kinds"][4].as_py() == '{"person_name": 1}'


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SchemaError, match="no column 'body'"):
        FindPersonalInformation(column="body")(pa.RecordBatch.from_pydict({"text": TEXTS}))
