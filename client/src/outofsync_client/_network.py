"""What lies between this machine and a server: certificates, and the proxies that the environment names."""

from __future__ import annotations

import ipaddress
import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Optional, Union
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

Certificate = Union[str, tuple[str, str], None]
"""A file with a certificate and its key, or one file for each."""

# Beside those that httpx knows (SSL_CERT_FILE, SSL_CERT_DIR): who has set one for other programs is heard.
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def tls_context(verify: Union[bool, str] = True, cert: Certificate = None) -> ssl.SSLContext:
    """Whom to trust, and what to show of ourselves. Raises ValueError for a file that is no certificate."""
    files = [cert] if isinstance(cert, str) else list(cert or ())
    for path in (verify, *files):
        if isinstance(path, str) and not Path(path).exists():
            raise ValueError(f"{path} does not exist")
    context = _trust(verify)
    if files:
        try:
            # No password: a key that needs one is a mistake here, not a question at somebody's terminal.
            context.load_cert_chain(files[0], files[1] if len(files) > 1 else None, password=b"")
        except OSError:  # an SSLError is one
            raise ValueError(f"{' and '.join(files)} hold no certificate and its key") from None
    return context


def _trust(verify: Union[bool, str]) -> ssl.SSLContext:
    if verify is True:
        verify = next(filter(None, map(os.environ.get, BUNDLE_VARIABLES)), True)
    if isinstance(verify, bool):
        return httpx.create_ssl_context(verify=verify)
    try:
        if Path(verify).is_dir():
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except OSError:
        raise ValueError(f"{verify} holds no certificates") from None


def proxy_for(url: str) -> Optional[str]:
    """The URL of the proxy for a URL; None for this machine's own, which no proxy can reach."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(url):
        return None
    proxies = getproxies()
    if proxy_bypass(parts.netloc) or _in_networks(host, proxies.get("no", "")):
        return None
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _in_networks(host: str, networks: str) -> bool:
    """Whether the host is an address in one of them, such as 10.0.0.0/8: Python's own look at names alone."""
    for network in networks.split(","):
        with suppress(ValueError):  # either is a name
            if ipaddress.ip_address(host) in ipaddress.ip_network(network.strip(), strict=False):
                return True
    return False


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
