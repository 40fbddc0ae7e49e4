"""The command ``outofsync``."""
