"""Deblurring: how sharp a face is, the networks that restore it, and when to use them."""
