"""What is shipped: its licences are known and allowed, and no secret lies in the repository."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


licences, secrets = load("list_licences"), load("find_secrets")


def component(name: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "licenses": list(entries)}


def write_bom(folder: Path, *components: dict[str, Any]) -> str:
    path = folder / "bom.json"
    path.write_text(json.dumps({"components": components}))
    return str(path)


# Licences


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND BSD-2-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("(MIT OR GPL-3.0-only)", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("", False),
    ],
)
def test_all_parts_of_a_licence_must_be_allowed_or_one_that_can_be_chosen(
    licence: str, allowed: bool
) -> None:
    assert licences.is_allowed(licence) is allowed


def test_a_licence_is_read_from_its_identifier_its_expression_or_its_classifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apache = {"license": {"name": "License :: OSI Approved :: Apache Software License"}}
    bom = write_bom(
        tmp_path,
        component("c", apache),
        component("a", {"license": {"id": "MIT"}}),
        component("b", {"expression": "MIT OR Apache-2.0"}),
    )

    assert licences.main(bom) == 0
    lines = ["name,version,licence", "a,1.0,MIT", "b,1.0,MIT OR Apache-2.0", "c,1.0,Apache-2.0"]
    assert capsys.readouterr().out.splitlines() == lines


def test_a_licence_that_is_not_allowed_or_not_known_is_an_error_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bom = write_bom(tmp_path, component("bad", {"license": {"id": "AGPL-3.0-only"}}), component("mute"))

    assert licences.main(bom) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in told] == ["bad", "mute"]
    assert "'AGPL-3.0-only'" in told[0]


def test_a_list_of_nothing_is_an_error(tmp_path: Path) -> None:
    assert licences.main(write_bom(tmp_path)) == 1


# Secrets


def test_no_tracked_file_holds_a_secret() -> None:
    command = [sys.executable, ".ci/find_secrets.py"]

    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout


def test_a_secret_is_found_by_its_line_and_not_repeated() -> None:
    text = "one\ntwo\npassword: s3cret-of-no-use\n"

    assert list(secrets.secrets(text)) == ["3: looks like a password"]
