"""The webhook as a program of its own, called by a real API server, driven by the real kubectl."""
