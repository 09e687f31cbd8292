"""The chart on a real control plane: real helm, and pods that run as a kubelet would run them.

Played: command, environment, mounted ConfigMaps, Secrets and empty directories, the ServiceAccount's own token, preStop
sleep, SIGTERM and SIGKILL in their time, readiness, pod status, and Services that lead to what EndpointSlices call
ready. Not played: users, read-only root and limits of a container runtime (Pod Security's admission reads the spec),
mounts that change while a pod runs, and the fixed path of the token: a kubeconfig in $KUBECONFIG stands in for it.
"""
