"""Checkpoints: safetensors with metadata, and the import of the published files."""
