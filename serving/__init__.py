"""What runs the servers.

``python -m serving`` starts and stops TorchServe, ``python -m serving.edge`` the gateway and nginx before it.
Both run under the one supervisor, and keep what there is to know of them in a state folder.
"""
