from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.training import step, torch_engine
from tunix_ml.training.engines import device_of_jax, engine_of
from tunix_ml.training.placement import make_placement

CPU = ExecutionConfig(device="cpu")


def test_jax_is_the_default() -> None:
    engine = engine_of(TrainConfig())

    assert engine.compile_steps is step.compile_steps
    assert engine.make_placement(TrainConfig(), CPU) == make_placement(CPU)


def test_torch_is_taken_where_it_is_named() -> None:
    assert engine_of(TrainConfig(engine="torch")).compile_steps is torch_engine.compile_steps


def test_another_engine_is_another_run() -> None:
    assert TrainConfig(engine="torch") != TrainConfig()


def test_beside_torch_jax_keeps_to_the_cpu() -> None:
    gpu = ExecutionConfig(device="gpu")

    assert device_of_jax(TrainConfig(engine="torch"), gpu) == "cpu"
    assert device_of_jax(TrainConfig(), gpu) == "gpu"
