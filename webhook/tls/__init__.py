"""Certificates: as files `ca.crt`, `tls.crt` and `tls.key` in one directory, and as what replicas share."""

from webhook.tls.ensure import ensure, expiry, life
from webhook.tls.files import TlsError, TlsFiles

__all__ = ["TlsError", "TlsFiles", "ensure", "expiry", "life"]
