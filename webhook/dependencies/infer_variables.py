"""One container's variables and files, ConfigMaps included: which hosts and ports they name together."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from msgspec import structs

from webhook.model.hints import ContainerHints, Hint, MapUse, Mention
from webhook.model.objects import Service
from webhook.model.variables import known_meaning
from webhook.world import View

_REFERENCE: Final = re.compile(r"\$\((?P<name>[^()]+)\)")
_INJECTED: Final = re.compile(r"(?P<service>[A-Z0-9_]+)_SERVICE_(?P<what>HOST|PORT)")


class Variables:
    """What a container is told, with the ConfigMaps that are in the world filled in."""

    def __init__(self, view: View, namespace: str, container: ContainerHints, most: int) -> None:
        """Take at most so many variables and keys of ConfigMaps."""
        self._view = view
        self._namespace = namespace
        self._said = container.said
        self._named: dict[str, Hint] = {}
        self._files: list[Hint] = []
        self._whole: dict[Hint, str] = {}  # which ConfigMap, given as it is, something stands in
        self.taken = 0
        for hint, use in islice(self._given(container), most):
            self._take(hint, use)
        self._ports = {
            known_meaning(hint.name).stem: hint.number
            for hint in (*self._files, *self._named.values())
            if hint.number is not None
        }

    def _given(self, container: ContainerHints) -> Iterator[tuple[Hint, MapUse | None]]:
        """Yield what is given, and the ConfigMap that it stands in."""
        for given in container.given:
            if isinstance(given, Hint):
                yield given, None
            else:
                yield from ((hint, given) for hint in self._of_map(given))

    def _take(self, hint: Hint, use: MapUse | None) -> None:
        self.taken += 1
        if use is not None and use.mounted:
            self._files.append(hint)
        else:
            self._named.pop(hint.name, None)
            self._named[hint.name] = hint
        if use is None or use.variable:
            self._whole[hint] = ""
        else:
            self._whole.setdefault(hint, use.name)

    def _of_map(self, use: MapUse) -> Iterator[Hint]:
        """Yield what the used keys say, under the name that the container knows them by."""
        found = self._view.config_map(self._namespace, use.name)
        keys = None if use.keys is None else frozenset(use.keys)
        for entry in found.entries if found else ():
            self._view.budget.spend()
            if keys is None or entry.name in keys:
                yield Hint(use.variable or f"{use.prefix}{entry.name}", entry.mentions, entry.number)

    def mentions(self) -> Iterator[tuple[Mention, str, str]]:
        """Yield each mention with the name that it stands under, and the ConfigMap where that is given as it is.

        References and ports are filled in.
        """
        for hint in (*self._named.values(), *self._files):
            for mention in hint.mentions:
                one = self._filled(mention)
                if one.port is None:
                    one = structs.replace(one, port=self._ports.get(known_meaning(hint.name).stem))
                yield one, hint.name, self._whole[hint]
        for mention in self._said:
            yield self._filled(mention), "", ""

    def _filled(self, mention: Mention) -> Mention:
        """Replace `$(NAME)` by what that variable names; what is not known stays, and resolves to nothing."""
        host, port = mention.host, mention.port
        if (reference := _REFERENCE.fullmatch(host)) is not None:
            one = self._host(reference["name"])
            host, port = (one.host, one.port if port is None else port) if one else (host, port)
        if isinstance(port, str) and (reference := _REFERENCE.fullmatch(port)) is not None:
            number = self._number(reference["name"])
            port = port if number is None else number
        return Mention(host, port, mention.protocol)

    def _host(self, name: str) -> Mention | None:
        if (hint := self._named.get(name)) is not None:
            return hint.mentions[0] if len(hint.mentions) == 1 else None
        service = self._injected(name, "HOST")
        return Mention(service.name) if service else None

    def _number(self, name: str) -> int | None:
        if (hint := self._named.get(name)) is not None:
            return hint.number
        service = self._injected(name, "PORT")
        return service.ports[0].port if service and service.ports else None

    def _injected(self, name: str, what: str) -> Service | None:
        """Return the Service whose variables Kubernetes gives to every container: `NAME_SERVICE_HOST`."""
        found = _INJECTED.fullmatch(name)
        if found is None or found["what"] != what:
            return None
        return self._view.service(self._namespace, found["service"].replace("_", "-").lower())
