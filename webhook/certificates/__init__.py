"""Certificates: as files `ca.crt`, `tls.crt` and `tls.key` in one directory, and as what replicas share.

The only package that imports `cryptography`. What it does to Secrets and caBundles, `webhook.cluster` sends.
"""
