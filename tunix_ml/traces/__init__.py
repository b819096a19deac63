"""From files or a seed to traces: ingest, generators, and the checking of what traces claim."""
