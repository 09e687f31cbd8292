"""What goes wrong between a cluster and us, on a real API server; after each fault the world is the cluster's again."""
