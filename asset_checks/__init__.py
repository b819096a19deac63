"""Asset checks: facts about each asset, as pure functions, and what binds them to Dagster."""
