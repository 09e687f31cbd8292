"""The chart on a real control plane: real helm, and pods that run as a kubelet would run them."""
