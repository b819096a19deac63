import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.contracts.training import RunIdentity, TrainConfig
from tunix_ml.store import Store
from tunix_ml.training.distributed import (
    ProcessesError,
    Rank,
    any_process,
    as_first_process,
    initialize_from_environment,
    rank_of,
    wait_for_all,
)
from tunix_ml.training.metrics import METRICS_FILE, read_metrics

COMPLETE = {
    "TUNIX_COORDINATOR": "10.0.0.1:1234",
    "TUNIX_NUM_PROCESSES": "2",
    "TUNIX_PROCESS_ID": "1",
}


SUMS = "sums-v1"
NUM_STEPS = 6
LAYOUTS = ("1x1", "4x1", "2x2", "1x4")  # fsdp x tp; the model has two heads, fewer than the devices of `tp`
TWO_PROCESSES = "2x1"
QUICK_TO_COMPILE = "--xla_backend_optimization_level=0"  # 59 CPU-seconds instead of 93

# Trains the run in one home per argument: <name of the home>:<fsdp>x<tp>:<resume_from>.
TRAIN = """
import sys
from pathlib import Path
import jax
jax.config.update("jax_compilation_cache_dir", sys.argv[1] + "/xla")
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.store import Store
from tunix_ml.training.distributed import *
from tunix_ml.training.loop import train
initialize_from_environment()
folder = Path(sys.argv[1])
identity = RunIdentity.read(folder / "identity.json")
for argument in sys.argv[2:]:
    home, mesh, resume_from = argument.split(":")
    fsdp, tp = map(int, mesh.split("x"))
    execution = ExecutionConfig(
        device="cpu", mesh_fsdp=fsdp, mesh_tp=tp, resume_from=resume_from,
        log_every_steps=1, save_every_steps=3, keep_checkpoints=9,
    )
    train(store=Store(folder / home), identity=identity, execution=execution, report=print)
wait_for_all("decided")
rank = jax.process_index()
print(jax.process_count(), any_process(rank == 1), any_process(False), as_first_process(40 + rank))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def run_together(arguments: list[str], *, num_processes: int, num_devices: int = 1) -> list[str]:
    """Run Python in some processes that find each other, and return what each of them printed."""
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={num_devices} {QUICK_TO_COMPILE}",
    }
    if num_processes > 1:
        environment |= {
            "TUNIX_COORDINATOR": f"127.0.0.1:{free_port()}",
            "TUNIX_NUM_PROCESSES": str(num_processes),
        }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", *arguments],
            env=environment | ({"TUNIX_PROCESS_ID": str(rank)} if num_processes > 1 else {}),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(num_processes)
    ]
    printed = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * num_processes, printed
    return printed


def identity_of(store: Store) -> RunIdentity:
    tokens = store.slot("tokenized_examples", SUMS).resolve()
    manifest = TokensManifest.read(tokens.file("tokens.json"))
    recipe = {"hidden_size": 16, "num_heads": 2, "intermediate_size": 24, "num_layers": 1, "batch_size": 4}
    return RunIdentity(
        dataset_version=SUMS,
        dataset_digest=manifest.dataset_digest,
        export_digest=manifest.export_digest,
        tokens_digest=tokens.digest,
        template=manifest.template,
        train=TrainConfig(**recipe, num_train_steps=NUM_STEPS, warmup_steps=1, learning_rate=1e-2),
        code_version="of the test",
    )


@pytest.fixture(scope="module")
def runs(sums_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run trained in several homes: on every layout, and on others from the checkpoint of step 3 on."""
    folder = tmp_path_factory.mktemp("layouts")
    identity = identity_of(Store(sums_home))
    (folder / "identity.json").write_bytes(identity.to_json())
    for home in (*LAYOUTS, TWO_PROCESSES, "to_four", "to_one"):
        shutil.copytree(sums_home, folder / home)

    def checkpoint_of(home: str) -> str:
        return str(Store(folder / home).run(identity.run_id()).path / "checkpoints" / "3")

    printed = run_together([TRAIN, str(folder), f"{TWO_PROCESSES}:2x1:none"], num_processes=2)
    (folder / "decisions").write_text("\n".join(lines.splitlines()[-1] for lines in printed))
    alone = [f"{layout}:{layout}:none" for layout in LAYOUTS]
    resumed = [f"to_four:1x4:{checkpoint_of(TWO_PROCESSES)}", f"to_one:1x1:{checkpoint_of('4x1')}"]
    run_together([TRAIN, str(folder), *alone, *resumed], num_processes=1, num_devices=4)
    return folder


def losses(runs: Path, home: str) -> list[float]:
    identity = RunIdentity.read(runs / "identity.json")
    rows = read_metrics(Store(runs / home).run(identity.run_id()).path / METRICS_FILE)
    return [row.loss for row in rows]


def test_three_variables_make_a_rank() -> None:
    assert rank_of({**COMPLETE, "HOME": "/home/me"}) == Rank("10.0.0.1:1234", 2, 1)


def test_without_variables_a_process_is_alone() -> None:
    assert rank_of({"HOME": "/home/me", "TUNIX_NUM_PROCESSES": ""}) is None
    assert not initialize_from_environment({})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"TUNIX_PROCESS_ID": ""},
            "TUNIX_COORDINATOR, TUNIX_NUM_PROCESSES set, but not TUNIX_PROCESS_ID: set all three, or none",
        ),
        ({"TUNIX_PROCESS_ID": "2"}, "TUNIX_PROCESS_ID 2 is not below TUNIX_NUM_PROCESSES 2"),
        ({"TUNIX_PROCESS_ID": "-1"}, "TUNIX_PROCESS_ID '-1' is not a number"),
        ({"TUNIX_NUM_PROCESSES": "two"}, "TUNIX_NUM_PROCESSES 'two' is not a number"),
        (
            {"TUNIX_COORDINATOR": "localhost"},
            "TUNIX_COORDINATOR 'localhost' is not of the form <host>:<port>",
        ),
        ({"TUNIX_COORDINATOR": ":1234"}, "TUNIX_COORDINATOR ':1234' is not of the form <host>:<port>"),
    ],
)
def test_a_rank_that_is_not_clear_is_an_error(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ProcessesError) as caught:
        initialize_from_environment(COMPLETE | changes)

    assert str(caught.value) == message


def test_a_cluster_without_its_launcher_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProcessesError, match=r"^TUNIX_CLUSTER 'pbs' is not one of: slurm, ompi$"):
        initialize_from_environment({"TUNIX_CLUSTER": "pbs"})
    with pytest.raises(ProcessesError, match=r"^TUNIX_CLUSTER 'slurm' set, but also TUNIX_COORDINATOR"):
        initialize_from_environment({"TUNIX_CLUSTER": "slurm", **COMPLETE})


def test_one_process_decides_for_itself() -> None:
    wait_for_all("never blocks")

    assert any_process(True)
    assert not any_process(False)
    assert as_first_process(7) == 7


def test_two_processes_find_each_other_and_decide_as_one(runs: Path) -> None:
    assert (runs / "decisions").read_text().splitlines() == ["2 True False 40"] * 2


# Sums over devices are added up in another order than on one.
@pytest.mark.parametrize("home", [*LAYOUTS[1:], TWO_PROCESSES])
def test_the_losses_are_those_of_one_device(runs: Path, home: str) -> None:
    alone = losses(runs, "1x1")

    assert len(alone) == NUM_STEPS
    assert alone[-1] < alone[0]
    assert losses(runs, home) == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("home", ["to_four", "to_one"])
def test_a_checkpoint_of_one_layout_is_gone_on_from_on_another(runs: Path, home: str) -> None:
    assert losses(runs, home) == pytest.approx(losses(runs, "1x1")[3:], rel=1e-5)


def test_a_launcher_that_did_not_start_the_process_is_named() -> None:
    program = """
from tunix_ml.training.distributed import ProcessesError, initialize_from_environment
try:
    initialize_from_environment({"TUNIX_CLUSTER": "slurm"})
except ProcessesError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert (
        "TUNIX_CLUSTER is 'slurm', but its launcher did not start this process: 'SLURM_JOB_ID' is missing"
        in done.stdout
    )
