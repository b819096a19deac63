"""Time training and decoding: python benchmarks/engine.py [FIELD=VALUE …], fields of BenchmarkConfig.

    python benchmarks/engine.py shape=b batch_size=4 layout=full precision=bfloat16
    python benchmarks/engine.py shape=small peer_python=/path/to/python     # with transformers and torch

Nothing is published; the job `benchmark` does the same work and keeps it.
"""

import os
import sys
from pathlib import Path

from tunix_ml.benchmark.measure import measure
from tunix_ml.benchmark.publish import markdown, rows_of
from tunix_ml.contracts.benchmark import BenchmarkConfig
from tunix_ml.training.devices import configure_process
from tunix_ml.worker import restart_with_worker_environment


def main() -> None:
    """Run one benchmark and write its table."""
    restart_with_worker_environment()
    config = BenchmarkConfig.model_validate_strings(dict(word.split("=", 1) for word in sys.argv[1:]))
    configure_process(home=Path(os.environ.get("TUNIX_HOME", ".tunix")).resolve(), device=config.device)
    report = measure(config, lambda line: sys.stderr.write(line + "\n"))
    sys.stdout.write(f"{config.model_dump_json(exclude_defaults=True)} on {report.device}\n\n")
    sys.stdout.write(markdown(rows_of(report)))


if __name__ == "__main__":
    main()
