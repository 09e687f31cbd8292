"""One object of a cluster -> what a snapshot keeps of it, and back.

Kept is what the core reads, by name (`snapshot_forms`); whatever is not listed there never gets out. Of what
containers are told (env, command lines, ConfigMaps) only hosts and ports remain, as hints; of annotations only this
product's, without user info in URLs.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import structs

from webhook.families import project
from webhook.model.hints import ConfigMap, ContainerHints, Hint, MapUse, Mention
from webhook.model.objects import Pod, Workload
from webhook.wire.objects import Projected
from webhook.wiring.snapshot_forms import OWNED, Form, Raw, Record, form_of

# -- out ---------------------------------------------------------------------------------------------------------------


def projection(raw: Raw, value: Projected) -> Record:
    """Return what a snapshot keeps of `raw`, of which `project` made `value`."""
    form = form_of(raw)
    if isinstance(value, Workload) and value.owner is not None and value.ref.kind == "ReplicaSet":
        form = OWNED  # all that is asked of it is whose it is
    kept: Record = _pruned(raw, {"apiVersion": None, "kind": None, **form})
    match value:
        case Workload(hints=hints) | Pod(bare=Workload(hints=hints)) if hints:
            kept["hints"] = [_told(one) for one in hints]
        case ConfigMap(entries=entries, settings=settings):
            kept["hints"] = [msgspec.to_builtins(one) for one in entries]
            kept |= {"data": settings.as_dict()} if settings else {}
        case _:
            pass
    return kept


def _pruned(value: Any, form: Form) -> Any:  # noqa: ANN401 - any JSON value
    if form is None:
        return value
    if not isinstance(form, Mapping):
        return form(value)
    if isinstance(value, list):
        return [_pruned(item, form) for item in value]
    if not isinstance(value, Mapping):
        return None
    kept = ((key, _pruned(value[key], of)) for key, of in form.items() if value.get(key) is not None)
    return {key: item for key, item in kept if item not in (None, {}, [])}


# -- and back ----------------------------------------------------------------------------------------------------------


def restored(record: Raw) -> Projected | None:
    """Return the value that a record of `projection` stands for; None: no kind of ours.

    Raises Malformed, and msgspec.ValidationError for hints that are none.
    """
    value = project(record)
    match value:
        case Workload():
            return structs.replace(value, hints=_containers(record))
        case Pod(bare=Workload() as bare):
            return structs.replace(value, bare=structs.replace(bare, hints=_containers(record)))
        case ConfigMap():
            entries = msgspec.convert(record.get("hints", ()), tuple[Hint, ...])
            return structs.replace(value, entries=entries)
        case _:
            return value


def _containers(record: Raw) -> tuple[ContainerHints, ...]:
    return tuple(map(_hinted, msgspec.convert(record.get("hints", ()), list[_Told])))


class _Given(msgspec.Struct, omit_defaults=True):
    """One of what a container is given; what sort it is, the key says."""

    hint: Hint | None = None
    map: MapUse | None = None


class _Told(msgspec.Struct, omit_defaults=True):
    """`ContainerHints` as JSON."""

    given: list[_Given] = []
    said: tuple[Mention, ...] = ()


def _told(hints: ContainerHints) -> Record:
    given = [_Given(map=one) if isinstance(one, MapUse) else _Given(hint=one) for one in hints.given]
    record: Record = msgspec.to_builtins(_Told(given, hints.said))
    return record


def _hinted(told: _Told) -> ContainerHints:
    given = tuple(one for each in told.given for one in (each.hint, each.map) if one is not None)
    return ContainerHints(given, told.said)
