"""Tests of the layer between bytes and values."""
