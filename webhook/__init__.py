"""Says at `kubectl apply` time which NetworkPolicy will drop a workload's declared traffic.

Nothing lives here but the version. A module's place is its layer in pyproject.toml: `model` up to `report` are the
pure core (no I/O, no clock, no logging), the rest is the shell that feeds it and carries its answers out.
"""

__version__ = "0.1.0"
