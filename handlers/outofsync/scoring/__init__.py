"""Scoring: how surprising the delays and features of a segment are, step by step."""
