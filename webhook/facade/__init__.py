"""What commands and other programs share: a world out of files, objects or a cluster, and what is asked of it.

`webhook.World` is `facade.world.World`. Nothing is imported here: `--help` passes by.
"""
