"""Tests of the rules, a file an area."""
