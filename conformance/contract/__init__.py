"""What must hold, as values: requirements and profiles, checks and what they can say."""
