"""The Dagster side: assets, jobs, sensors and the definitions that hold them together."""
