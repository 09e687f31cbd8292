"""Truth tables of others, as Kubernetes objects and questions; where they come from stands in NOTICE."""
