"""n8n's older Python as ours."""

import pytest

from engine_service.n8n import import_document
from engine_service.n8n.python_code import to_dicts


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ("item.json.name = 1", 'item["json"]["name"] = 1'),
        ("x = _input.first().json.a.b[0].c", 'x = _input.first()["json"]["a"]["b"][0]["c"]'),
        ("_json.total * 2", '_json["total"] * 2'),
        ("item.json.get('a', 1)", "item[\"json\"].get('a', 1)"),
        ("item.json.tags.append('x')", "item[\"json\"][\"tags\"].append('x')"),
        ("items = _input.all().to_py()", "items = _input.all()"),
        ("d = item.json.to_py()", 'd = item["json"]'),
        ("for i in a:\n  # as ever\n  i.json.ü = 'ä' + i.json.z", (
            "for i in a:\n  # as ever\n  i[\"json\"][\"ü\"] = 'ä' + i[\"json\"][\"z\"]")),
        ("math.pi + self.x", "math.pi + self.x"),
        ("def (", "def ("),
    ],
)  # fmt: skip
def test_attributes_of_items_become_keys(written: str, ours: str) -> None:
    assert to_dicts(written) == ours


def test_what_python_has_not_here_is_named() -> None:
    code = "import pandas\nfor item in _input.all():\n  item.json.x = 1\nreturn _input.all()"
    nodes = [
        {"name": name, "type": f"n8n-nodes-base.{kind}", "typeVersion": 2, "parameters": parameters}
        for name, kind, parameters in (
            ("Go", "manualTrigger", {}),
            ("Code", "code", {"language": "python", "pythonCode": code}),
        )
    ]
    report = import_document({"nodes": nodes, "connections": {}}).report.nodes[1]
    assert report.mapped_to == "code.python"
    assert any("item['json']['name']" in one for one in report.differences)
    assert any("no module 'pandas'" in one for one in report.differences)
