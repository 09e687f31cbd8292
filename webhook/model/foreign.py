"""Policies of CRD families, as they came; kinds that may not be read, and the doubt that they leave."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from webhook.model.labels import NO_LABELS, Labels
from webhook.model.refs import PolicyRef


class Doubt(Struct, frozen=True):
    """Policies that may change the answer and are not evaluated, and the sentence that says so."""

    policies: tuple[PolicyRef, ...]
    reason: str


class Foreign(Struct, frozen=True, gc=False):
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


class Gap(Struct, frozen=True, gc=False):
    """A kind of policy that may not be read: whatever it may select cannot be judged."""

    kind: str
    group: str
    reason: str
