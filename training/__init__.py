"""Data preparation, training and evaluation of every network that ships."""
