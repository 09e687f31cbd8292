"""IP pools: where the addresses of new pods come from, whatever blocks nodes have.

Source: `projectcalico/api` pkg/apis/projectcalico/v3/ippool.go.
"""

from typing import Final

from webhook.families.calico.nets import block
from webhook.families.kinds import POOLS
from webhook.model.addresses import Block
from webhook.model.compile_context import CompileContext
from webhook.model.foreign import Foreign
from webhook.wire.shapes import Malformed, flag, mapping, string, strings

_WORKLOAD: Final = "Workload"


def pod_blocks(compile_context: CompileContext) -> tuple[Block, ...] | None:
    """Return the blocks of all pools that new pods may get addresses from; None: there are no pools, ask the nodes.

    Empty: not known, for a pool cannot be read.
    """
    every = tuple(compile_context.all(*POOLS))
    if not every:
        return None
    try:
        return tuple(found for one in every if (found := _block(one)) is not None)
    except Malformed:
        return ()


def _block(pool: Foreign) -> Block | None:
    """Return the block of a pool; None for one that new pods get nothing from."""
    spec = mapping(pool.spec, "spec", "")
    found = block(string(spec, "cidr", "spec"), "spec.cidr")
    uses = strings(spec, "allowedUses", "spec")
    return None if flag(spec, "disabled", "spec") or (uses and _WORKLOAD not in uses) else found
