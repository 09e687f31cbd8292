"""Findings that need no packet, by subject. Each returns findings; none decides what they cost."""
