"""What a scenario is written with: the target, its capabilities, and the comparisons and requests that scenarios share."""
