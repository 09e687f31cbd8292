"""HTTP: what arrives, how much of it, and how the answer leaves. What an answer says is the `Backend`'s business."""
