"""Tests of the requests that are generated."""
