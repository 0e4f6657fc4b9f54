"""The reference server keeps the contract."""
