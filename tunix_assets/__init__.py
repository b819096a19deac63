"""tunix_assets."""
