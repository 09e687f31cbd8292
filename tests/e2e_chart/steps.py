"""What several tests ask of a cluster in which the chart is installed."""

from tests.e2e import story
from tests.e2e.scene import DRY_RUN, Scene
from tests.testbed.client import ApiError

BOTH_SIDES = ("NP101", "NP102")
DENIAL = 'admission webhook "enforcing.netpol-preflight.io" denied'


def denied(scene: Scene, what: story.Object) -> str:
    """Try to apply, by kubectl's dry run, and return what it said if the webhook said no, else nothing."""
    said = scene.apply(what, DRY_RUN)
    return said.stderr if DENIAL in said.stderr else ""


def answer(scene: Scene, what: story.Object) -> str:
    """Try to create, by a dry run without kubectl, and return what the API server said no with; empty: it did not."""
    path = f"/apis/apps/v1/namespaces/{scene.namespace}/deployments?dryRun=All"
    try:
        scene.control_plane.client.request("POST", path, what)
    except ApiError as error:
        return str(error)
    return ""


def reviews(scene: Scene) -> None:
    """Return when a write in an enforcing namespace is denied."""
    other = story.renamed(story.web_api(scene.namespace), "another")
    scene.control_plane.wait_for(lambda: DENIAL in answer(scene, other), what="reviews")


def harmless(scene: Scene) -> story.Object:
    """Return a workload that declares nothing."""
    workload = story.renamed(story.web_api(scene.namespace), "harmless")
    del workload["metadata"]["annotations"]
    return workload
