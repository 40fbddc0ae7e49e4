"""Checkpoints: safetensors with metadata."""
