"""The command ``outofsync-import`` brings published weights in.

It lies beside the engine and not in it, because nothing of it travels in an archive: a server reads
safetensors and nothing else.
"""
