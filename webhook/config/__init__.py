"""Settings out of flags and a configuration file, or one clear error."""

from webhook.config.file import File, schema
from webhook.config.read import NO_FILE, Invalid, nearest, read_file
from webhook.config.settings_from_file import AUTO, CNIS, MODES, settings

__all__ = ["AUTO", "CNIS", "MODES", "NO_FILE", "File", "Invalid", "nearest", "read_file", "schema", "settings"]
