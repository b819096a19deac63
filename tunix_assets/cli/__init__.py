"""The command `tunix-rt`: what is done at a terminal; it calls what the assets call."""
