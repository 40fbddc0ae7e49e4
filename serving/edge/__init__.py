"""TLS, limits and static pages before the servers: nginx, and a gateway behind it."""
