"""The doctor: what is looked at to find out whether everything can go on."""
