import json
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from tunix_ml.training.devices import (
    DeviceNotFound,
    choose_devices,
    describe_device,
    device_facts,
    find_device,
)

no_accelerator = pytest.mark.skipif(
    jax.default_backend() != "cpu", reason="needs a machine without an accelerator"
)
one_cpu = pytest.mark.skipif(jax.device_count("cpu") != 1, reason="needs a single CPU device")


def test_a_device_is_found_by_name() -> None:
    assert find_device("cpu").platform == "cpu"
    assert find_device("auto") == jax.devices()[0]


@no_accelerator
@one_cpu
@pytest.mark.parametrize("name", ["gpu", "cuda", "tpu"])
def test_an_absent_device_is_an_error(name: str) -> None:
    with pytest.raises(DeviceNotFound, match=f"^device '{name}' is not present; this machine has: cpu$"):
        find_device(name)  # type: ignore[arg-type]


def test_a_device_is_found_by_its_index() -> None:
    assert find_device("cpu", index=0) == jax.devices("cpu")[0]


@no_accelerator
@one_cpu
def test_an_index_beyond_the_devices_is_an_error() -> None:
    message = "^device 'cpu' of device_index 3 is not present; this machine has: cpu$"

    with pytest.raises(DeviceNotFound, match=message):
        find_device("cpu", index=3)


def test_an_index_and_a_mesh_exclude_each_other() -> None:
    with pytest.raises(DeviceNotFound, match=r"^device_index 0 is one device, mesh_fsdp x mesh_tp asks"):
        choose_devices("cpu", num_devices=4, index=0)


def test_a_cpu_is_described_in_a_word() -> None:
    assert describe_device(jax.devices("cpu")[0]) == "cpu"


def test_the_facts_of_a_device_can_be_written_as_json() -> None:
    facts = device_facts(jax.devices("cpu")[:1])

    assert json.loads(json.dumps(facts)) == facts
    assert (facts["platform"], facts["devices"], facts["num_processes"]) == ("cpu", ["0: cpu"], 1)


def test_several_devices_are_counted_and_chosen_in_order() -> None:
    program = """
import jax
from tunix_ml.training.devices import DeviceNotFound, choose_devices
print([device.id for device in choose_devices("cpu", num_devices=3)])
print([device.id for device in choose_devices("auto", num_devices=1, index=2)])
try:
    choose_devices("cpu", num_devices=5)
except DeviceNotFound as error:
    print(error)
"""
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
    )

    chosen, at_index, error = done.stdout.splitlines()
    assert (chosen, at_index) == ("[0, 1, 2]", "[2]")
    assert error == "mesh_fsdp x mesh_tp asks for 5 devices 'cpu'; this machine has: cpu x 4"


def test_compiled_programs_are_kept_for_each_kind_of_host(tmp_path: Path) -> None:
    program = """
import sys, pathlib, jax
from tunix_ml.training.devices import configure_process
configure_process(home=pathlib.Path(sys.argv[1]), device="cpu")
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.jit(lambda x: x @ x.T)(jax.numpy.ones((8, 8))).block_until_ready()
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)

    (host,) = (tmp_path / "cache" / "xla").iterdir()
    assert len(host.name) == 16
    assert any(host.iterdir())
