"""Declared text -> dependencies -> flows, as the pod's resolver and kube-proxy would get there (design.md §5)."""

from webhook.dependencies.grammar import parse
from webhook.dependencies.infer import infer, uncovered
from webhook.dependencies.resolve import Resolved, resolve
from webhook.dependencies.targets import Flow, Missing, Target

__all__ = ["Flow", "Missing", "Resolved", "Target", "infer", "parse", "resolve", "uncovered"]
