"""Labels that policies may ask for: of a pod, of its namespace and of its ServiceAccount."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeGuard

from webhook.model.crd_policies import CrdPolicy
from webhook.model.labels import NAME_LABEL, Labels, Lookup, Space, Value, holds
from webhook.model.objects import UNKNOWN_ACCOUNT, Account, Namespace, PodClass
from webhook.model.tier import CompiledPolicy
from webhook.model.truth import Truth
from webhook.wire.workloads import AUTOMOUNT
from webhook.world.changes import Clock
from webhook.world.view import View


def unlabelled(name: str) -> Namespace:
    """Return a namespace of which only the name is known: it has at least the label that the API server sets."""
    return Namespace(name, Labels({NAME_LABEL: name}), synthetic=True)


class Namespaces:
    """An index of namespaces with their labels."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self.by_name: dict[str, Namespace] = {}
        self.changed = 0
        self._clock = clock
        self._filled: tuple[Mapping[str, object], ...] = ()

    def filled_by(self, *indexes: Mapping[str, object]) -> None:
        """Take what is in a namespace where a name is a key: such a namespace is here, too."""
        self._filled = indexes

    def put(self, value: Namespace) -> None:
        """Add or replace a namespace."""
        self.by_name[value.name] = value
        self.changed = self._clock.tick()

    def drop(self, name: str) -> None:
        """Remove a namespace, if it is here."""
        self.by_name.pop(name, None)
        self.changed = self._clock.tick()

    def get(self, name: str) -> Namespace:
        """Return the namespace; one that nobody gave has at least its name label."""
        return self.by_name.get(name) or unlabelled(name)

    def __contains__(self, name: str) -> bool:
        """Say whether the namespace, or something in it, is here."""
        return name in self.by_name or any(name in index for index in self._filled)

    def names(self) -> Iterable[str]:
        """Return the names of all namespaces that are here or have something in them, sorted."""
        return sorted({*self.by_name, *(name for index in self._filled for name in index if name)})


ACCOUNT: Final = ("", "ServiceAccount")  # API group and kind


class Accounts:
    """An index of ServiceAccounts."""

    def __init__(self, clock: Clock, *, complete: bool) -> None:
        """Start empty. `complete`: one that is not here does not exist, if any is here."""
        self.changed = 0
        self._clock = clock
        self._complete = complete
        self._every: dict[tuple[str, str], Account] = {}

    def __len__(self) -> int:
        return len(self._every)

    def has(self, value: CrdPolicy) -> bool:
        """Say whether an account that says the same is here."""
        return self._every.get((value.namespace or "", value.ref.name)) == account_of(value)

    def put(self, value: CrdPolicy) -> None:
        """Add or replace an account."""
        self._every[value.namespace or "", value.ref.name] = account_of(value)
        self.changed = self._clock.tick()

    def drop(self, namespace: str, name: str) -> None:
        """Remove an account, if it is here."""
        self._every.pop((namespace, name), None)
        self.changed = self._clock.tick()

    def get(self, namespace: str, name: str) -> Account | None:
        """Return an account; None: not known."""
        found = self._every.get((namespace, name))
        return Account() if found is None and self._complete and self._every else found


def is_account(value: object) -> TypeGuard[CrdPolicy]:
    """Say whether a value is a ServiceAccount."""
    return isinstance(value, CrdPolicy) and (value.group, value.ref.kind) == ACCOUNT


def account_of(value: CrdPolicy) -> Account:
    """Return what counts of a ServiceAccount."""
    return Account(value.labels, value.spec.get(AUTOMOUNT) is not False)


def labels_of(view: View, pod_class: PodClass) -> Lookup:
    """Return what is known of pods of a class: a value, None where it is absent, MAYBE where it is not known."""
    known = pod_class.account != UNKNOWN_ACCOUNT

    def lookup(space: Space, key: str) -> Value:
        match space:
            case Space.POD:
                value = pod_class.labels.get(key)
                unsure = pod_class.template and key in view.settings.pending_labels
            case Space.NAMESPACE:
                namespace = view.namespaces.get(pod_class.namespace)
                value, unsure = namespace.labels.get(key), namespace.synthetic
            case Space.ACCOUNT:
                account = view.accounts.get(pod_class.namespace, pod_class.account) if known else None
                value, unsure = (None, True) if account is None else (account.labels.get(key), False)
            case _ if key == "namespace":  # Space.FIELD
                value, unsure = pod_class.namespace, False
            case _:
                value, unsure = (pod_class.account, False) if known else (None, True)
        return Truth.MAYBE if value is None and unsure else value

    return lookup


def may_be_in(view: View, piece: CompiledPolicy, name: str) -> bool:
    """Say whether a piece may select anybody in a namespace, whatever the pods there are like."""
    view.budget.spend()
    if piece.scope is None:
        return True
    namespace = view.namespaces.get(name)

    def lookup(space: Space, key: str) -> Value:
        if space is Space.NAMESPACE:
            value = namespace.labels.get(key)
            return Truth.MAYBE if value is None and namespace.synthetic else value
        return name if space is Space.FIELD and key == "namespace" else Truth.MAYBE

    return holds(piece.scope, lookup) is not Truth.NO
