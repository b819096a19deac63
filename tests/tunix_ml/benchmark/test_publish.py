import xml.etree.ElementTree as ET
from typing import Any

from tunix_ml.benchmark.publish import entry_of, markdown, plot, publish_benchmark, read_history, rows_of
from tunix_ml.contracts.benchmark import BenchmarkReport, Peer
from tunix_ml.store import Store


def with_peer(report: BenchmarkReport) -> BenchmarkReport:
    peer = Peer(
        name="transformers <5>",
        versions={},
        layout="packed",
        train=report.train,
        decode=report.decode,
        train_ratio=2.0,
        decode_ratio=3.0,
    )
    return report.model_copy(update={"peers": [peer]})


def test_numbers_table_plot_and_history_lie_together(store: Store, measured: Any) -> None:
    snapshot = publish_benchmark(store, measured.report)

    assert set(snapshot.record.files) == {"benchmark.json", "table.md", "plot.svg", "history.jsonl"}
    assert BenchmarkReport.read(snapshot.file("benchmark.json")) == measured.report
    assert snapshot.verify() == []


def test_a_benchmark_keeps_those_before_it(store: Store, measured: Any) -> None:
    later = measured.report.model_copy(update={"measured_at": "2099-01-01T00:00:00+00:00"})

    publish_benchmark(store, measured.report)
    snapshot = publish_benchmark(store, later)

    assert read_history(snapshot) == [entry_of(measured.report), entry_of(later)]


def test_other_work_has_another_digest_and_another_peer_has_not(measured: Any) -> None:
    report, config = measured.report, measured.report.config

    def work(**changes: Any) -> str:
        return entry_of(report.model_copy(update={"config": config.model_copy(update=changes)})).work

    assert work(batch_size=2) != work() != work(precision="bfloat16")
    assert work(peer="on", num_steps=100) == work()


def test_the_table_has_a_column_for_each_side(measured: Any) -> None:
    rows = rows_of(with_peer(measured.report))

    assert rows[0] == ["", "engine", "transformers <5>"]
    assert {len(row) for row in rows} == {3}
    assert markdown(rows).startswith("|  | engine | transformers <5> |\n|---|---|---|\n| steps per second |")


def test_the_plot_has_a_bar_for_each_side_and_is_xml(measured: Any) -> None:
    tree = ET.fromstring(plot(with_peer(measured.report)))

    bars = [element for element in tree.iter() if element.tag.endswith("rect")]
    texts = [element.text for element in tree.iter() if element.tag.endswith("text")]
    assert len(bars) == 4
    assert "trained: transformers <5>, packed" in texts
