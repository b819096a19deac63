"""The command `tunix-rt`: what is done at a terminal, without Dagster."""
