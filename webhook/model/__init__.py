"""The nouns: frozen values only.

Nothing here looks anything up, reads a clock, logs or knows how Kubernetes spells things on the wire. If it
needs two of these to answer a question, it belongs in `world`, `evaluate` or above.
"""
