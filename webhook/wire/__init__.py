"""Untrusted JSON in, model values out: the only place that knows how Kubernetes spells things.

Every function returns a value or raises `pod_classes.Malformed`, which names the field and what was expected there.
"""
