"""The leaderboard: one row per run, evaluation set and scorer, and the pairs behind its ranks."""

from typing import Literal

from tunix_ml.contracts.table import Column, TableSchema

RowStatus = Literal["valid", "stale", "incomplete", "invalid"]

LEADERBOARD_SCHEMA = TableSchema(
    [
        Column("rank", "int64", "1 is best of its board; equal scores share one", nullable=True),
        Column(
            "tie_group",
            "int64",
            "1 holds the best; within a group no run is significantly below its first",
            nullable=True,
        ),
        Column("rank_low", "int64", "95 % interval of the rank, items drawn again", nullable=True),
        Column("rank_high", "int64", "its upper end", nullable=True),
        Column("status", "string", "valid, stale, incomplete or invalid; only valid rows are ranked"),
        Column("reason", "string", "what changed, is missing or failed; empty where valid"),
        Column("model", "string", "base model or shape of the decoder, or the system"),
        Column("dataset_version", "string", "what the run was trained on", nullable=True),
        Column("recipe", "string", "name of the training recipe, or of the system"),
        Column("answer_rule", "string", "template, or rule by which answers were found"),
        Column("primary_metric", "string", "metric that ranks"),
        Column("primary_score", "double", "its mean over all items", nullable=True),
        Column("ci95_low", "double", "95 % interval of the score", nullable=True),
        Column("ci95_high", "double", "its upper end", nullable=True),
        Column("stderr", "double", "standard error of the score", nullable=True),
        Column("n_items", "int64", "items of the evaluation set that were asked"),
        Column("num_samples", "int64", "texts for each item"),
        Column("coverage", "double", "share of the items that have a score"),
        Column("format_valid", "double", "share of texts that keep the template", nullable=True),
        Column("hit_max_new_tokens", "double", "share of texts cut at the length limit", nullable=True),
        Column("claims_correct", "double", "share of right claims `expression = value`", nullable=True),
        Column("gold_step_recall", "double", "values of the true steps that are reached", nullable=True),
        Column("answer_supported", "double", "share of answers that stand in the reasoning", nullable=True),
        Column("trace_num_tokens", "double", "tokens written, mean", nullable=True),
        Column("gold_nats_per_token", "double", "loss on the true completions", nullable=True),
        Column("validation_loss", "double", "nats per supervised token at the end", nullable=True),
        Column("num_params", "int64", "parameters of the model", nullable=True),
        Column("num_tokens_seen", "int64", "tokens trained on, padding left out", nullable=True),
        Column("device_seconds", "double", "training and decoding, times devices", nullable=True),
        Column("checkpoint_step", "int64", "optimizer steps done", nullable=True),
        Column("evaluated_at", "string", "UTC, ISO 8601"),
        Column("evaluation_set", "string", "what the run was asked"),
        Column("evaluation_set_digest", "string", "the items"),
        Column("scorer", "string", "`answers`, or `judge:<name>`"),
        Column("run_id", "string", "the run"),
        Column("fingerprint", "string", "digest over all that the score rests on"),
        Column("inputs", "string", "JSON: digest of each of those by name"),
        Column("eval_digest", "string", "report the row was taken from"),
    ]
)

PAIRS_SCHEMA = TableSchema(
    [
        Column("evaluation_set", "string", "what both runs were asked"),
        Column("scorer", "string", "how both were scored"),
        Column("run_a", "string", "the run that stands higher"),
        Column("run_b", "string", "the other"),
        Column("n", "int64", "items both have a score for"),
        Column("difference", "double", "mean score of a less that of b"),
        Column("ci95_low", "double", "95 % interval of the difference, paired", nullable=True),
        Column("ci95_high", "double", "its upper end", nullable=True),
        Column("test", "string", "exact McNemar, or sign flips"),
        Column("p_value", "double", "of no difference"),
        Column("p_holm", "double", "adjusted for all pairs of this board"),
    ]
)
