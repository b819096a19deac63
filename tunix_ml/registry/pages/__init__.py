"""The results as a static site: pages and JSON made from the store, to be opened without a server."""
