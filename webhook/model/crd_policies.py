"""Policies of CRD families as they came, kinds that may not be read, and what a policy may refer to."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from webhook.model.dialect import GENERIC, Dialect
from webhook.model.labels import NO_LABELS, Labels
from webhook.model.objects import Namespace
from webhook.model.refs import PolicyRef
from webhook.model.settings import Enforcer


class Unevaluated(Struct, frozen=True):
    """Policies that may change the answer and are not evaluated, and the sentence that says so."""

    policies: tuple[PolicyRef, ...]
    reason: str


class CrdPolicy(Struct, frozen=True, gc=False):
    """A policy, or what policies of its family refer to (a tier, a set of addresses, settings).

    `spec`: the object's own fields as JSON gives them, untrusted: without metadata, status and type. `namespace` None:
    cluster-wide. `group`: the API group, which tells kinds of one name apart. `version`: of the API, `v1alpha1`.
    `refused`: why the enforcer itself says that it does not take the object (its status).
    """

    ref: PolicyRef
    group: str
    namespace: str | None = None
    spec: Mapping[str, Any] = {}
    labels: Labels = NO_LABELS
    version: str = ""
    refused: str = ""


class UnlistedKind(Struct, frozen=True, gc=False):
    """A kind of policy that may not be read: whatever it may select cannot be judged."""

    kind: str
    group: str
    reason: str


class CompileContext(Struct, frozen=True):
    """Who enforces, and the objects that policies refer to, by API group and kind.

    `flags`: what DaemonSets tell of themselves, by name; `nodes`: what any node tells of itself, see `wire.agents`.
    `settings`: of agents, by the namespace and the name of their ConfigMap. Whatever of this changes, every policy is
    compiled again. `memo`: what a family has worked out of the objects, under its name.
    """

    enforcer: Enforcer = Enforcer()
    objects: Mapping[tuple[str, str], tuple[CrdPolicy, ...]] = {}
    namespaces: Mapping[str, Namespace] = {}
    flags: Mapping[str, tuple[str, ...]] = {}
    settings: Mapping[tuple[str, str], Mapping[str, str]] = {}
    dialect: Dialect = GENERIC
    nodes: frozenset[str] = frozenset()
    memo: dict[str, object] = {}

    def all(self, *kinds: tuple[str, str]) -> Iterable[CrdPolicy]:
        """Return the objects of some kinds, in the order of the kinds."""
        for kind in kinds:
            yield from self.objects.get(kind, ())
