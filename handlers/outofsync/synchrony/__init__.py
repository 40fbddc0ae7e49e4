"""Synchrony: how well lips and voice fit at each delay, window by window."""
