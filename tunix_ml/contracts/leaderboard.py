"""The leaderboard: one row per run, evaluation set and scorer."""

import pyarrow as pa


def _column(name: str, kind: pa.DataType, description: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"description": description})


LEADERBOARD_SCHEMA = pa.schema(
    [
        _column("rank", pa.int64(), "1 is best among the same evaluation set and scorer", nullable=True),
        _column("status", pa.string(), "valid, incomplete or invalid, and why"),
        _column("dataset_version", pa.string(), "what the run was trained on"),
        _column("recipe", pa.string(), "name of the training recipe"),
        _column("template", pa.string(), "how questions and answers were written"),
        _column("primary_score", pa.float64(), "mean answer_correctness, 0..1", nullable=True),
        _column("ci95_low", pa.float64(), "lower end of the Wilson interval at 95 %", nullable=True),
        _column("ci95_high", pa.float64(), "upper end", nullable=True),
        _column("stderr", pa.float64(), "standard error of the score", nullable=True),
        _column("n_items", pa.int64(), "items of the evaluation set"),
        _column("coverage", pa.float64(), "share of them with a prediction"),
        _column("format_valid", pa.float64(), "share of texts that keep the template", nullable=True),
        _column("hit_max_new_tokens", pa.float64(), "share of texts cut at the length limit", nullable=True),
        _column("validation_loss", pa.float64(), "nats per supervised token"),
        _column("num_params", pa.int64(), "parameters of the model"),
        _column("train_time_s", pa.float64(), "wall seconds of training"),
        _column("evaluation_set", pa.string(), "what the run was asked"),
        _column("scorer", pa.string(), "how it was scored"),
        _column("run_id", pa.string(), "the run"),
        _column("dataset_digest", pa.string(), "content it was trained on"),
        _column("evaluation_set_digest", pa.string(), "content it was asked"),
        _column("model_digest", pa.string(), "model that answered"),
        _column("predictions_digest", pa.string(), "what it answered"),
        _column("eval_digest", pa.string(), "report the row was taken from"),
        _column("scorer_digest", pa.string(), "source code that scored"),
    ]
)
