"""From bytes to values: the event-stream parser, the HTTP client, and the frozen record of what was exchanged."""
