"""The scripted upstream that stands behind a gateway under test."""
