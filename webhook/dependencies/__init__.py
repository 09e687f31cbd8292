"""Declared text -> dependencies -> flows, as the pod's resolver and kube-proxy would get there (design.md §5)."""

from webhook.dependencies.grammar import parse
from webhook.dependencies.infer import infer, uncovered
from webhook.dependencies.resolve import Resolved, resolve
from webhook.dependencies.targets import Missing

__all__ = ["Missing", "Resolved", "infer", "parse", "resolve", "uncovered"]
