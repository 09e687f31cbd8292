"""The nouns: frozen values only.

Nothing here looks anything up, reads a clock, logs or knows how Kubernetes spells things on the wire. If it
needs two of these to answer a question, it belongs in `world`, `evaluate` or above.

What a world keeps is made with `gc=False`: frozen values of frozen values make no circles, and a collector that looks
through a hundred thousand of them stops every review for as long.
"""
