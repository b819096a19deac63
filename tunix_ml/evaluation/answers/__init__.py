"""Answers: found in texts, and compared by the type that their item declares."""
