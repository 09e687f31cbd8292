"""Words by made-up words, in every kind of text that a snapshot holds; and which words are no secret and stay."""

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_interface
from itertools import count
from typing import Final

from webhook.enforcers import ENFORCERS, NAMESPACES
from webhook.families import POLICIES, REFERENCES
from webhook.model.hints import KNOWN_WORDS, telling
from webhook.model.refs import KIND_OF_WORD, WORKLOAD_KINDS
from webhook.model.settings import PREFIX
from webhook.wire import inbound_others
from webhook.wiring.snapshot_forms import FORMS


def _all(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


AS_IT_IS: Final = _all(  # fields whose values the API spells, or that hold no name
    "protocol operator family type types policyTypes action phase dnsPolicy clusterIP clusterIPs ipFamilies podIP ip",
    "cidr cidrs nets notNets podCIDR podCIDRs externalIPs externalTrafficPolicy internalTrafficPolicy restartPolicy",
    "mode addressType image args env controller controllerName toEntities fromEntities notProtocol loadBalancerClass",
    "deletionTimestamp nameservers ipVersion defaultAction defaultEndpointToHostAction",
)
KEYED_BY_NAME: Final = _all("labels matchLabels nodeSelector selector podSelector")  # objects whose fields are labels
DOMAIN: Final = re.compile(  # of API groups and label keys that mean something to somebody whom we know
    r"(?:[\w.-]*\.)?(?:kubernetes\.io|k8s\.io|istio\.io|cilium\.io|projectcalico\.org|openshift\.io|linkerd\.io|helm\.sh"
    r"|envoyproxy\.io|gke\.io|otterize\.com|k8s\.aws|antrea\.io|ovn\.org|coreos\.com|traefik\.io|traefik\.containo\.us"
    r"|projectcontour\.io|getambassador\.io)"
)
GROUPS: Final = frozenset({"", "apps", "batch", "extensions", "policy", "autoscaling"})
KINDS: Final = frozenset(
    {
        *FORMS,
        *(kind for _, kind in (*POLICIES, *REFERENCES, *inbound_others.KINDS)),
        *WORKLOAD_KINDS,
        *("ServiceAccount", "User", "Group", "TraefikService"),
    }
)
PUBLIC_KEY: Final = re.compile(rf"(?:[a-z0-9]+:)?(?:{DOMAIN.pattern}/.*|io\.(?:kubernetes|cilium)\..*)|reserved:.*")
PLAIN_KEYS: Final = _all(  # of labels: everybody has them, and some are asked for
    "app role env environment name component tier version release instance k8s-app istio job-name controller-uid",
    "pod-template-hash controller-revision-hash pod-template-generation",
)
INNER: Final = re.compile(r".*io\.cilium\.k8s\.namespace\.labels\.|pcns\.|pcsa\.")  # before the key of another object's
COPIED: Final = re.compile(r"k[a-z]*np\.[a-z]+(?:-[a-z]+)?\.")  # before the name of a policy that Calico made a copy of
NAMES: Final = (
    _all(
        "default kubernetes localhost cluster local svc pod node",
        "true false True False Unknown TCP UDP SCTP tcp udp sctp",
        "kube-dns coredns dns-default rke2-coredns rke2-coredns-rke2-coredns node-local-dns openshift-dns kube-proxy",
        "kube-apiserver cilium-config amazon-vpc-cni emissary-ingress haproxy-ingress kubernetes-ingress kong",
        "ingressgateway ingress-nginx nginx-ingress envoy contour traefik prometheus vmagent victoria-metrics-agent",
        "server monitoring mesh control-plane",
        "projectcalico-default-allow adminnetworkpolicy baselineadminnetworkpolicy",
        "kube-admin kube-baseline Admin Baseline",
        "system serviceaccount serviceaccounts authenticated unauthenticated anonymous",
    )
    | NAMESPACES
    | {name for one in ENFORCERS.values() for name in (one.name, *one.agents)}
)


_KIND_WORD: Final = re.compile(rf"(?:{'|'.join(sorted(KIND_OF_WORD, key=len, reverse=True))})(?=/)", re.IGNORECASE)
_SCHEME: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)+(?=//)")
_TOKEN: Final = re.compile(r"[^\W_]+(?:[-_]+[^\W_]+)*")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]|[^\W\d_]+")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_SIX: Final = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:/[0-9]{1,3})?")
_LETTERS: Final = "bcdfghjklmnpqrstvwz"  # those of Kubernetes' random suffixes: they spell no word
_OPERATORS: Final = frozenset(["all", "has", "in", "not", "global", "starts", "ends", "with", "contains"])  # of Calico
_PART: Final = re.compile(r"([\w./:-]+)\s+(contains|starts\s+with|ends\s+with)\s+('[^']*'|\"[^\"]*\")")
_PARTS: Final = {"contains": str.__contains__, "starts": str.startswith, "ends": str.endswith}


def made_up(words: Sequence[str]) -> dict[str, str]:
    """Return a new word for each: `xb`, `xc`, ..., none of which is one of the old."""
    taken = {*words, *NAMES, *KNOWN_WORDS}
    free = (word for number in count() if (word := f"x{_spelled(number)}") not in taken)
    return {word: next(free) for word in words}


def _spelled(number: int) -> str:
    text = ""
    while True:
        number, digit = divmod(number, len(_LETTERS))
        text = _LETTERS[digit] + text
        if number == 0:
            return text


class Words:
    """Words by what they become; without a table each stays, and is kept in `found`, in lower case."""

    def __init__(self, table: Mapping[str, str] | None = None) -> None:
        """Start with what is known."""
        self._table = table
        self.found: set[str] = set()

    def match(self, match: re.Match[str]) -> str:
        """Return what the word that matches becomes."""
        return self.of(match[0])

    def of(self, word: str) -> str:
        """Return what a word becomes, in its own case: `DB` and `db` stay two cases of one."""
        low = word.lower()
        if self._table is None:
            self.found.add(low)
            return word
        new = self._table[low]
        if word == low:
            return new
        return new.upper() if word.isupper() and len(word) > 1 else new.capitalize()


def _is_address(text: str) -> bool:
    try:
        ip_interface(text)
    except ValueError:
        return False
    return True


class Names:
    """What texts become. `kept`: names that stay; `values`: what labels may hold, for selectors that ask for a part."""

    def __init__(self, words: Words, kept: Iterable[str], values: Iterable[str]) -> None:
        """Start with nothing seen."""
        self._words = words
        self._kept = NAMES.union(kept)
        self._values = sorted(set(values))
        self._known: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return any text without names: numbers and addresses stay."""
        if text not in self._known:
            self._known[text] = self._renamed(text)
        return self._known[text]

    def _renamed(self, text: str) -> str:
        if not text or _is_address(text):
            return text
        parts, at = list[str](), 0
        for six in _SIX.finditer(text):
            if _is_address(six[0]):
                parts += (_TOKEN.sub(self._token, text[at : six.start()]), six[0])
                at = six.end()
        return "".join((*parts, _TOKEN.sub(self._token, text[at:])))

    def _token(self, match: re.Match[str]) -> str:
        """Return a name: of `coredns-76f7-x2x4`, the front is everybody's."""
        front, rest = match[0], ""
        while front and front not in self._kept:
            front, dash, last = front.rpartition("-")
            rest = f"{dash}{last}{rest}"
        return front + _WORD.sub(self._words.match, rest)

    def key(self, key: str) -> str:
        """Return the key of a label; Cilium writes before it where a label is from, and that it is a namespace's."""
        if inner := INNER.match(key):
            return inner[0] + self.key(key[inner.end() :])
        source, colon, name = key.rpartition(":")
        if PUBLIC_KEY.fullmatch(key) or name in PLAIN_KEYS or key.startswith(PREFIX):
            return key
        return f"{source}{colon}{self.text(name)}" if source in {"k8s", "any", ""} else self.text(key)

    def selector(self, text: str) -> str:
        """Return a selector in Calico's language: operators stay, keys are those of labels, values are text."""
        text = _PART.sub(self._listed, text)
        parts, at = list[str](), 0
        for quoted in _QUOTED.finditer(text):
            parts += (self._bare(text[at : quoted.start()]), self.text(quoted[0]))
            at = quoted.end()
        return "".join((*parts, self._bare(text[at:])))

    def _listed(self, match: re.Match[str]) -> str:
        """Return what asks for a part of a value, which no made-up word has, as the values that have it."""
        key, how, part = match[1], match[2].split()[0], match[3][1:-1]
        found = [value for value in self._values if _PARTS[how](value, part) and not {"'", '"'} & set(value)]
        listed = ", ".join(f"'{value}'" for value in found)
        return f"{key} in {{{listed}}}" if found else f"{key} == 'no-such-value'"

    def _bare(self, text: str) -> str:
        return re.sub(r"[\w./:-]+", lambda m: m[0] if m[0] in _OPERATORS else self.key(m[0]), text)

    def item(self, item: str) -> str:
        """Return an item of a declaration: a kind before a slash and a scheme stay."""
        head = _KIND_WORD.match(item) or _SCHEME.match(item)
        front = head[0] if head else ""
        return front + self.text(item[len(front) :])

    def setting(self, name: str) -> str:
        """Return the name of a variable or of a key: words that say what it holds stay."""
        return _WORD.sub(lambda match: self._of_setting(match[0]), name)

    def _of_setting(self, word: str) -> str:
        end = telling(word)
        stem = word[: len(word) - len(end)]
        return (self._words.of(stem) if stem else "") + end
