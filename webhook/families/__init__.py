"""One module a policy family: each compiles its objects, once, into what `evaluate` knows (`model.tier`)."""
