"""The conformance suite for the OpenAI-compatible endpoint `POST /v1/completions`."""

__version__ = "0.1.0"
