"""The API server's side of the world: connect, list, watch; raw objects out.

The only package that imports `kubernetes`, and only when a connection is made: that import takes a second. What an
object means is not known here; a `Sink` is told, in order, what the API server said. Every error leaves as a
`ClusterError` with a sentence for a person.
"""
