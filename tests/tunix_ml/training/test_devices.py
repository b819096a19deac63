import subprocess
import sys
from pathlib import Path

import jax
import pytest

from tunix_ml.training.devices import DeviceNotFound, describe_device, find_device


def test_a_device_is_found_by_name() -> None:
    assert find_device("cpu").platform == "cpu"
    assert find_device("auto") == jax.devices()[0]


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="needs a machine without an accelerator")
@pytest.mark.parametrize("name", ["gpu", "cuda", "tpu"])
def test_an_absent_device_is_an_error(name: str) -> None:
    with pytest.raises(DeviceNotFound, match=f"^device '{name}' is not present; this machine has: cpu$"):
        find_device(name)  # type: ignore[arg-type]


def test_a_cpu_is_described_in_a_word() -> None:
    assert describe_device(jax.devices("cpu")[0]) == "cpu"


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
