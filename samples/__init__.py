"""Clips of our own making, and the generator of synthetic talking heads which makes them."""
