"""Statistics: means and differences with what is needed to believe them."""
