from pathlib import Path

import pytest

from tunix_assets.doctor import machine
from tunix_assets.doctor.machine import examine_devices, examine_disk, examine_installation


def test_the_installation_of_this_project_is_well() -> None:
    finding = examine_installation()

    assert (finding.health, finding.sentence[:7]) == ("well", "Python ")


def test_a_package_that_is_missing_or_of_another_version_is_wrong() -> None:
    requirements = ["no-such-package-of-ours>=1", "pydantic<1", 'torch>=1; extra == "torch"', "pydantic>=2"]

    finding = examine_installation(requirements)

    assert finding.health == "wrong"
    assert "no-such-package-of-ours is not installed; pydantic is 2." in finding.sentence
    assert "torch" not in finding.sentence


def test_definitions_that_do_not_load_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_DEFINITIONS", "no_such_module")

    finding = examine_installation([])

    assert "the definitions do not load: ModuleNotFoundError" in finding.sentence


def test_devices_are_asked_in_another_process() -> None:
    assert examine_devices(command="print('cpu one')").sentence == "JAX finds cpu one"


def test_devices_that_fail_die_or_hang_are_wrong() -> None:
    failed = examine_devices(command="raise RuntimeError('no driver')")
    died = examine_devices(command="import os; os._exit(9)")
    hung = examine_devices(command="import time; time.sleep(60)", timeout_s=0.5)

    assert (failed.health, failed.sentence) == ("wrong", "JAX finds none: RuntimeError: no driver")
    assert died.sentence == "JAX finds none: the process left with 9"
    assert hung.sentence == "JAX finds none: it did not answer within 0.5 s"


def test_little_room_is_wrong_also_where_the_store_is_still_to_be_made(tmp_path: Path) -> None:
    enough = examine_disk(tmp_path / "not" / "yet", least_free_bytes=1)
    little = examine_disk(tmp_path, least_free_bytes=1 << 60)

    assert (enough.health, f"GiB are free at {tmp_path}" in enough.sentence) == ("well", True)
    assert (little.health, "`tunix-rt gc` may help" in little.sentence) == ("wrong", True)
