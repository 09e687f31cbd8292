"""Findings that need no packet: one module a subject. Each returns findings; none decides what they cost."""
