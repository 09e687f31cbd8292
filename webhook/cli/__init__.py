"""The command line: one module a command, each with `run(arguments) -> exit code`.

`main` and `flags` import nothing heavy, so that `--help` answers at once; a command imports what it needs when it runs.
"""
