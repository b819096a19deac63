import json
from typing import Any

import jax


def test_provenance_says_where_the_session_ran_and_what_it_needed(trained: Any) -> None:
    facts = json.loads((trained.run.path / "provenance.json").read_bytes())

    assert facts["device"] == "cpu"
    assert facts["execution"]["save_every_steps"] == 2
    assert facts["resumed_from_step"] is None
    assert facts["packages"]["jax"] == jax.__version__
    assert facts["peak_host_bytes"] > 0


def test_provenance_of_a_later_session_names_the_step_it_began_at(trained: Any) -> None:
    (trained.run.path / "checkpoint.json").unlink()

    trained.train()

    facts = json.loads((trained.run.path / "provenance.json").read_bytes())
    assert facts["resumed_from_step"] == 6
