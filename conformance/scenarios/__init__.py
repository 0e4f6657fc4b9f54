"""The scenarios: checks that send requests and compare what comes back, a file an area."""
