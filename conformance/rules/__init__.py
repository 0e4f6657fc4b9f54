"""The rules: checks of one answer, pure functions, a file an area."""
