"""Fuzzing: parsers, the decoder and the service's own HTTP, with inputs that a seed and a number decide.

``python -m benchmarks.fuzzing`` goes on for as long as it is told to; what it finds becomes a file in
``tests/robustness/fuzzing/found``, which the suite reads from then on.
"""
