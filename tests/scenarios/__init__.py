"""Tests of what the scenarios are made of."""
