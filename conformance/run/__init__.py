"""One run: from a selection of checks and a target to verdicts."""
