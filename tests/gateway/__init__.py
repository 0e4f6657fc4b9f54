"""Tests of the scripted upstream."""
