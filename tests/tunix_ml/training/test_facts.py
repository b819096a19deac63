import json
from pathlib import Path

import jax

from tunix_ml.contracts.training import ExecutionConfig
from tunix_ml.training import facts
from tunix_ml.training.facts import peak_memory, relevant, session_facts
from tunix_ml.training.placement import make_placement

EXECUTION = ExecutionConfig(device="cpu")


def test_a_session_says_where_and_with_what_it_works() -> None:
    found = session_facts(placement=make_placement(EXECUTION), execution=EXECUTION, from_step=7)

    json.dumps(found, allow_nan=False)
    assert (found["device"], found["platform"], found["resumed_from_step"]) == ("cpu", "cpu", 7)
    assert found["packages"]["jax"] == jax.__version__
    assert found["execution"] == EXECUTION.model_dump(mode="json")
    assert {"commit", "dirty", "driver", "platform_version", "num_cpus"} <= set(found)


def test_variables_that_choose_devices_and_compilation_are_kept_and_no_others() -> None:
    environment = {
        "CUDA_VISIBLE_DEVICES": "0",
        "XLA_FLAGS": "--xla_dump_to=/tmp",
        "JAX_PLATFORMS": "cpu",
        "HF_TOKEN": "secret",
        "HOME": "/root",
    }

    assert set(relevant(environment)) == {"CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "XLA_FLAGS"}


def test_the_peak_is_that_of_the_process_where_the_device_says_nothing() -> None:
    peak = peak_memory(make_placement(EXECUTION))

    assert peak["peak_host_bytes"] > 50_000_000
    assert set(peak["peak_device_bytes"]) == {"0"}


def test_the_driver_is_the_first_line_of_the_kernel_module(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX 580.1 \nGCC version: 13\n")

    assert facts._driver(tmp_path / "version") == "NVRM version: NVIDIA UNIX 580.1"
    assert facts._driver(tmp_path / "absent") is None
