"""Requests that nobody thought of: drawn from `spec/openapi.yaml`, judged by relations and rules, and shrunk where one fails."""
