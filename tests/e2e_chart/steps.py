"""What several tests ask of a cluster in which the chart is installed."""

from tests.e2e import story
from tests.e2e.scene import DRY_RUN, Scene

BOTH_SIDES = ("NP101", "NP102")


def denied(scene: Scene, what: story.Object) -> str:
    """Try to apply, by dry run, and return what kubectl said if the webhook said no, else nothing."""
    said = scene.apply(what, DRY_RUN)
    return said.stderr if 'admission webhook "enforcing.netpol-preflight.io" denied' in said.stderr else ""


def another(scene: Scene) -> story.Object:
    """Return a workload of the story's that no policy lets through."""
    return story.renamed(story.web_api(scene.namespace), "another")


def reviews(scene: Scene) -> None:
    """Return when a write in an enforcing namespace is denied."""
    scene.control_plane.wait_for(lambda: denied(scene, another(scene)), 30, what="reviews")


def harmless(scene: Scene) -> story.Object:
    """Return a workload that declares nothing."""
    workload = story.renamed(story.web_api(scene.namespace), "harmless")
    del workload["metadata"]["annotations"]
    return workload
