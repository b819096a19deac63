"""The leaderboard: one row per run, evaluation set and scorer."""

from tunix_ml.contracts.table import Column, TableSchema

LEADERBOARD_SCHEMA = TableSchema(
    [
        Column("rank", "int64", "1 is best among the same evaluation set and scorer", nullable=True),
        Column("status", "string", "valid, incomplete or invalid, and why"),
        Column("dataset_version", "string", "what the run was trained on"),
        Column("recipe", "string", "name of the training recipe"),
        Column("template", "string", "how questions and answers were written"),
        Column("primary_score", "double", "mean answer_correctness, 0..1", nullable=True),
        Column("ci95_low", "double", "lower end of the Wilson interval at 95 %", nullable=True),
        Column("ci95_high", "double", "upper end", nullable=True),
        Column("stderr", "double", "standard error of the score", nullable=True),
        Column("n_items", "int64", "items of the evaluation set"),
        Column("coverage", "double", "share of them with a prediction"),
        Column("format_valid", "double", "share of texts that keep the template", nullable=True),
        Column("hit_max_new_tokens", "double", "share of texts cut at the length limit", nullable=True),
        Column("validation_loss", "double", "nats per supervised token"),
        Column("num_params", "int64", "parameters of the model"),
        Column("train_time_s", "double", "wall seconds of training"),
        Column("evaluation_set", "string", "what the run was asked"),
        Column("scorer", "string", "how it was scored"),
        Column("run_id", "string", "the run"),
        Column("dataset_digest", "string", "content it was trained on"),
        Column("evaluation_set_digest", "string", "content it was asked"),
        Column("model_digest", "string", "model that answered"),
        Column("predictions_digest", "string", "what it answered"),
        Column("eval_digest", "string", "report the row was taken from"),
        Column("scorer_digest", "string", "source code that scored"),
    ]
)
