"""Declared text -> dependencies -> flows, as the pod's resolver and kube-proxy would get there (design.md §5)."""

from webhook.dependencies.apiserver import assumed_api_server
from webhook.dependencies.grammar import parse
from webhook.dependencies.infer import asks_nobody, infer, uncovered
from webhook.dependencies.resolve import Resolved, is_localhost, resolve
from webhook.dependencies.services import Missing

__all__ = [
    "Missing",
    "Resolved",
    "asks_nobody",
    "assumed_api_server",
    "infer",
    "is_localhost",
    "parse",
    "resolve",
    "uncovered",
]
