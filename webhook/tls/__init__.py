"""Certificates as files: `ca.crt`, `tls.crt` and `tls.key` in one directory."""

from webhook.tls.ensure import ensure, expiry
from webhook.tls.files import TlsError, TlsFiles

__all__ = ["TlsError", "TlsFiles", "ensure", "expiry"]
