"""One TorchServe: its Java process, where it listens, what is loaded into it, and that it judges."""
