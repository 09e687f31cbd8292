"""Where the shells meet the core: bytes, files and events in, worlds and answers out.

Each module joins as few shells as it can, so that `check` does not load what only `serve` needs.
"""
