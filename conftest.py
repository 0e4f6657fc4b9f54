"""Makes the suite's plugin known where the project is used from a checkout that is not installed."""

pytest_plugins = ["conformance.plugin"]
