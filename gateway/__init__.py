"""The gateway: what stands between the edge and TorchServe, and says over HTTP what TorchServe cannot.

It checks API keys, attaches TorchServe's current token, keeps fewer requests in flight than TorchServe's
queue holds, gives errors their real HTTP status, repeats a request whose server died under it, and sends a
canary its share. Files pass through as they come; nothing is judged here.
"""
