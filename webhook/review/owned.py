"""What a controller makes of a workload is reviewed with that workload, where it is more than a claim."""

from typing import Final

from webhook.model.objects import Owner
from webhook.wire.admission import AdmissionRequest
from webhook.world import View
from webhook.world.lookup import maker_of

_CONTROLLERS: Final = (
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "generic-garbage-collector",
    "job-controller",
    "replicaset-controller",
    "replication-controller",
    "statefulset-controller",
)
# Who edits a namespace can write any ownerReference, but cannot be one of these (with and without
# kube-controller-manager's --use-service-account-credentials). What they write follows from what was admitted.
CONTROL_PLANE: Final = frozenset(
    {"system:kube-controller-manager", *(f"system:serviceaccount:kube-system:{name}" for name in _CONTROLLERS)}
)


def reviewed_with_its_maker(request: AdmissionRequest, view: View) -> bool:
    """Say whether an object is of a workload that makes such objects, and that is there: by its name and uid.

    A controller of the control plane may be ahead of our watches, so that it is believed. An update by anybody else
    cannot put an object under a workload that it was not under before.
    """
    workload = request.workload
    if workload is None or workload.owner is None:
        return False
    if request.user in CONTROL_PLANE:
        return True
    if request.operation == "UPDATE" and _before(request) != _after(request):
        return False
    maker = maker_of(view, workload)
    return maker is not None and maker.uid in ("", request.controller)  # manifests have no uids


def taken_from_its_maker(request: AdmissionRequest) -> bool:
    """Say whether an update takes an object from the workload that it was reviewed with: it was never judged itself.

    What the control plane lets go of, when a Deployment is deleted without its pods, is as it was.
    """
    owner, _ = before = _before(request)
    return owner is not None and before != _after(request) and request.user not in CONTROL_PLANE


def _before(request: AdmissionRequest) -> tuple[Owner | None, str]:
    return (request.old.owner if request.old else None), request.old_controller


def _after(request: AdmissionRequest) -> tuple[Owner | None, str]:
    return (request.workload.owner if request.workload else None), request.controller
