"""A world and a proposed change -> findings, and what they cost the person who applies."""
