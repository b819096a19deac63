"""What crosses an asset boundary: one file per artifact, nothing else."""
