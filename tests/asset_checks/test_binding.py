from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from asset_checks.binding import bind, run_checks
from asset_checks.outcome import Check, Outcome, Subject
from asset_checks.subject import combined_digest, content_metadata
from tunix_ml.audits import NotAudited, audits, require_audits
from tunix_ml.contracts.base import ContractError
from tunix_ml.slot import Slot
from tunix_ml.store import Store

KEY = "golden-v2"
PARTITIONS = dg.StaticPartitionsDefinition([KEY])


class Home(dg.ConfigurableResource[Store]):
    """A resource that knows the store."""

    path: str

    def store(self) -> Store:
        return Store(Path(self.path))


def text_is_sound(subject: Subject) -> Outcome:
    """The text holds nothing bad."""
    text = subject.snapshot.file("file.txt").read_text()
    if text == "unreadable":
        raise ContractError("file.txt is not a text")
    return Outcome("bad" not in text, f"the text is {text!r}", {"num_chars": len(text)})


def text_is_short(subject: Subject) -> Outcome:
    """The text is short."""
    text = subject.snapshot.file("file.txt").read_text()
    return Outcome(len(text) < 5, f"the text has {len(text)} characters", {}, "WARN")


CHECKS = (Check("dataset", text_is_sound), Check("dataset", text_is_short, blocking=False))


@pytest.fixture
def slot(store: Store) -> Slot:
    return store.slot("dataset", KEY)


@pytest.fixture
def run(store: Store, slot: Slot) -> Callable[..., dg.ExecuteInProcessResult]:
    """A function that publishes a text as the dataset, checks it, and goes on to what is made from it."""

    def materialize(
        text: str, *, digest: str = "", instance: dg.DagsterInstance | None = None
    ) -> dg.ExecuteInProcessResult:
        @dg.asset(partitions_def=PARTITIONS)
        def dataset() -> dg.MaterializeResult[None]:
            with slot.publish() as draft:
                (draft.path / "file.txt").write_text(text)
            return dg.MaterializeResult(metadata={"content_digest": digest or draft.snapshot.digest})

        @dg.asset(deps=[dataset], partitions_def=PARTITIONS)
        def consumer() -> None:
            require_audits(slot, slot.resolve(), ["text_is_sound"])

        return dg.materialize(
            [dataset, consumer, *bind(CHECKS, partitions_def=PARTITIONS)],
            partition_key=KEY,
            instance=instance,
            resources={"store": Home(path=str(store.home))},
            raise_on_error=False,
        )

    return materialize


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        event.step_materialization_data.materialization.asset_key.to_user_string()
        for event in result.get_asset_materialization_events()
    }


def test_a_bound_check_bears_the_name_and_the_fact_of_its_function() -> None:
    bound = bind(CHECKS, partitions_def=PARTITIONS)
    specs = [spec for check in bound for spec in check.check_specs]

    assert [(spec.name, spec.description, spec.blocking) for spec in specs] == [
        ("text_is_sound", "The text holds nothing bad.", True),
        ("text_is_short", "The text is short.", False),
    ]
    assert {spec.asset_key for spec in specs} == {dg.AssetKey("dataset")}


def test_a_pass_is_shown_stored_and_lets_the_consumer_in(
    run: Callable[..., dg.ExecuteInProcessResult], slot: Slot
) -> None:
    result = run("fine")

    assert result.success
    assert materialized(result) == {"dataset", "consumer"}
    found = evaluations(result)["text_is_sound"]
    assert (found.passed, found.description, found.partition) == (True, "the text is 'fine'", KEY)
    assert {name: value.value for name, value in found.metadata.items()} == {
        "num_chars": 4,
        "content_digest": slot.resolve().digest,
    }
    audit = audits(slot, slot.resolve().digest)["text_is_sound"]
    assert (audit.passed, audit.description) == (True, "the text is 'fine'")


@pytest.mark.parametrize(
    ("text", "reason"), [("bad", "the text is 'bad'"), ("unreadable", "file.txt is not a text")]
)
def test_a_failure_stops_this_run_and_refuses_the_content_to_any_later_one(
    run: Callable[..., dg.ExecuteInProcessResult], slot: Slot, text: str, reason: str
) -> None:
    result = run(text)

    assert not result.success
    assert materialized(result) == {"dataset"}
    found = evaluations(result)["text_is_sound"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    with pytest.raises(NotAudited, match=f"failed the check 'text_is_sound': {reason}"):
        require_audits(slot, slot.resolve(), ["text_is_sound"])


def test_a_warning_is_shown_and_stops_nobody(
    run: Callable[..., dg.ExecuteInProcessResult], slot: Slot
) -> None:
    result = run("a longer text")

    assert result.success
    found = evaluations(result)["text_is_short"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert audits(slot, slot.resolve().digest)["text_is_short"].passed


def test_content_that_was_never_checked_is_refused(slot: Slot) -> None:
    with slot.publish() as draft:
        (draft.path / "file.txt").write_text("fine")

    with pytest.raises(NotAudited, match="has not been through the check 'text_is_sound'"):
        require_audits(slot, draft.snapshot, ["text_is_sound"])


def test_without_the_content_a_check_fails_and_says_so(
    run: Callable[..., dg.ExecuteInProcessResult],
) -> None:
    result = run("fine", digest="0" * 64)

    found = evaluations(result)["text_is_sound"]
    assert not found.passed
    assert str(found.description).startswith("dataset of 'golden-v2' has no content 0000")
    assert materialized(result) == {"dataset"}


def test_an_unpartitioned_asset_is_looked_up_under_all(store: Store) -> None:
    @dg.asset
    def leaderboard() -> dg.MaterializeResult[None]:
        with store.slot("leaderboard", "all").publish() as draft:
            (draft.path / "file.txt").write_text("rows")
        return dg.MaterializeResult(metadata={"content_digest": draft.snapshot.digest})

    checks = bind([Check("leaderboard", text_is_sound)], partitions_def=None)
    result = dg.materialize([leaderboard, *checks], resources={"store": Home(path=str(store.home))})

    assert evaluations(result)["text_is_sound"].passed
    slot = store.slot("leaderboard", "all")
    assert audits(slot, slot.resolve().digest)["text_is_sound"].passed


@pytest.mark.parametrize(
    ("is_gate", "text", "success"),
    [(True, "a bad text", False), (True, "fine", True), (False, "a bad text", True)],
)
def test_a_gate_fails_the_run_and_stops_nothing_in_it(
    store: Store, is_gate: bool, text: str, success: bool
) -> None:
    @dg.asset
    def leaderboard() -> dg.MaterializeResult[None]:
        with store.slot("leaderboard", "all").publish() as draft:
            (draft.path / "file.txt").write_text(text)
        return dg.MaterializeResult(metadata={"content_digest": draft.snapshot.digest})

    @dg.asset(deps=[leaderboard])
    def results_site() -> None: ...

    checks = bind([Check("leaderboard", text_is_sound, False, is_gate)], partitions_def=None)
    result = dg.materialize(
        [leaderboard, results_site, *checks],
        resources={"store": Home(path=str(store.home))},
        raise_on_error=False,
    )

    assert result.success == success
    assert materialized(result) == {"leaderboard", "results_site"}
    assert evaluations(result)["text_is_sound"].passed == (text == "fine")


# Several contents

SETS = {"eval-v1": "fine", "eval-v2": "a bad text"}


@pytest.fixture
def run_sets(store: Store) -> Callable[..., dg.ExecuteInProcessResult]:
    """A function that publishes a text for each evaluation set, checks them, and tells what was found."""

    def materialize(texts: dict[str, str]) -> dg.ExecuteInProcessResult:
        @dg.asset
        def evaluation_sets() -> dg.MaterializeResult[None]:
            digests = {}
            for name, text in texts.items():
                with store.slot("evaluation_set", name).publish() as draft:
                    (draft.path / "file.txt").write_text(text)
                digests[name] = draft.snapshot.digest
            return dg.MaterializeResult(metadata=content_metadata(digests))

        checks = [Check("evaluation_sets", text_is_sound), Check("evaluation_sets", text_is_short, False)]
        return dg.materialize(
            [evaluation_sets, *bind(checks, partitions_def=None)],
            resources={"store": Home(path=str(store.home))},
            raise_on_error=False,
        )

    return materialize


def test_a_check_looks_at_every_content_and_gives_one_result(
    run_sets: Callable[..., dg.ExecuteInProcessResult], store: Store
) -> None:
    found = evaluations(run_sets(SETS))["text_is_sound"]

    digests = {name: store.slot("evaluation_set", name).resolve().digest for name in SETS}
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found.description == "eval-v2: the text is 'a bad text'"
    assert {name: value.value for name, value in found.metadata.items()} == {
        "eval-v1/num_chars": 4,
        "eval-v2/num_chars": 10,
        "content_digest": combined_digest(digests),
    }


def test_each_content_has_its_own_verdict(
    run_sets: Callable[..., dg.ExecuteInProcessResult], store: Store
) -> None:
    run_sets(SETS)

    slots = {name: store.slot("evaluation_set", name) for name in SETS}
    verdicts = {name: audits(slot, slot.resolve().digest) for name, slot in slots.items()}
    assert verdicts["eval-v1"]["text_is_sound"].passed
    assert not verdicts["eval-v2"]["text_is_sound"].passed
    assert verdicts["eval-v2"]["text_is_short"].description == "the text has 10 characters"


def test_where_no_content_was_published_every_check_passes(
    run_sets: Callable[..., dg.ExecuteInProcessResult],
) -> None:
    result = run_sets({})

    assert result.success
    assert all(found.passed for found in evaluations(result).values())


# Outside a materialization


@pytest.fixture
def check_again(store: Store) -> Callable[..., dg.ExecuteInProcessResult]:
    """A function that runs the checks on what is published now."""

    @dg.op(out={}, required_resource_keys={"store"})
    def run_all(context: dg.OpExecutionContext) -> Iterator[dg.AssetCheckEvaluation]:
        yield from run_checks(context, CHECKS)

    @dg.job(partitions_def=PARTITIONS, resource_defs={"store": Home(path=str(store.home))})
    def validate() -> None:
        run_all()

    return lambda instance=None: validate.execute_in_process(
        partition_key=KEY, raise_on_error=False, instance=instance
    )


def description(result: dg.ExecuteInProcessResult) -> str | None:
    failure = result.failure_data_for_node("run_all")
    return failure.user_failure_data.description if failure and failure.user_failure_data else None


def publish(slot: Slot, text: str) -> None:
    with slot.publish() as draft:
        (draft.path / "file.txt").write_text(text)


def test_sound_content_passes_again_with_warnings_and_its_verdicts_are_stored(
    slot: Slot, check_again: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    publish(slot, "a longer text")

    assert check_again().success
    assert require_audits(slot, slot.resolve(), ["text_is_sound", "text_is_short"])


@pytest.mark.parametrize("text", ["bad", "unreadable"])
def test_content_that_does_not_hold_fails_by_name(
    slot: Slot, check_again: Callable[..., dg.ExecuteInProcessResult], text: str
) -> None:
    publish(slot, text)

    result = check_again()

    assert (result.success, description(result)) == (False, "golden-v2: failed: text_is_sound")
    assert not audits(slot, slot.resolve().digest)["text_is_sound"].passed


def test_content_that_was_damaged_after_its_pass_is_refused_from_then_on(
    slot: Slot,
    run: Callable[..., dg.ExecuteInProcessResult],
    check_again: Callable[..., dg.ExecuteInProcessResult],
) -> None:
    run("fine")
    (slot.resolve().path / "file.txt").write_text("tampered")

    assert not check_again().success
    with pytest.raises(NotAudited, match=r"failed the check 'text_is_sound': .*file\.txt has sha256"):
        require_audits(slot, slot.resolve(), ["text_is_sound"])


def test_where_nothing_is_published_there_is_nothing_to_pass(
    check_again: Callable[..., dg.ExecuteInProcessResult],
) -> None:
    assert description(check_again()) == "golden-v2: nothing of it is published"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance that keeps its events in files, as a real one does."""
    with dg.instance_for_test() as instance:
        yield instance


def status(instance: dg.DagsterInstance) -> tuple[str, bool]:
    """Return how the last check ended, and whether it is known to be of the last materialization."""
    key = dg.AssetCheckKey(dg.AssetKey("dataset"), "text_is_sound")
    (found,) = instance.event_log_storage.get_asset_check_partition_info([key])
    return found.latest_execution_status.value, found.is_current


def test_what_was_checked_can_be_checked_again_and_again(
    slot: Slot,
    run: Callable[..., dg.ExecuteInProcessResult],
    check_again: Callable[..., dg.ExecuteInProcessResult],
    instance: dg.DagsterInstance,
) -> None:
    run("fine", instance=instance)

    assert [check_again(instance).success for _ in range(2)] == [True, True]
    assert status(instance) == ("SUCCEEDED", True)

    (slot.resolve().path / "file.txt").write_text("bad")

    assert not check_again(instance).success
    assert status(instance) == ("FAILED", True)


def test_what_was_made_elsewhere_can_be_checked_here(
    slot: Slot, check_again: Callable[..., dg.ExecuteInProcessResult], instance: dg.DagsterInstance
) -> None:
    publish(slot, "fine")

    assert [check_again(instance).success for _ in range(2)] == [True, True]
    assert status(instance)[0] == "SUCCEEDED"
