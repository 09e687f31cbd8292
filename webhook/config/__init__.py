"""Settings out of flags and a configuration file, or one clear error."""

from webhook.config.file import File
from webhook.config.made import AUTO, CNIS, MODES, settings
from webhook.config.read import NO_FILE, read_file
from webhook.config.schema import schema
from webhook.config.words import Invalid, nearest

__all__ = ["AUTO", "CNIS", "MODES", "NO_FILE", "File", "Invalid", "nearest", "read_file", "schema", "settings"]
