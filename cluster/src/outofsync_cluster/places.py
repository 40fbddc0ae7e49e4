"""Files on this machine and in object storage, by one name each.

A name is a path, or a URL that pyarrow understands (``s3://bucket/folder``, ``gs://…``, ``hdfs://…``). What a
URL says after its question mark is how the storage is reached, and holds for everything of the same scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pyarrow import fs

from outofsync_cluster.errors import ClusterError, reason_of

SEPARATOR = "://"


@dataclass(frozen=True)
class Storage:
    """How each scheme's storage is reached: the query of its URLs."""

    queries: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[str], endpoint: str | None = None) -> Storage:
        """What the URLs among these names say; ``endpoint`` is a server with the S3 API, as a URL."""
        queries: dict[str, dict[str, str]] = {}
        for name in names:
            if SEPARATOR in name:
                parts = urlsplit(name)
                queries.setdefault(parts.scheme, {}).update(parse_qsl(parts.query))
        if endpoint:
            server = urlsplit(endpoint)
            if not server.scheme or not server.netloc:
                raise ClusterError(f"{endpoint} is no address of a storage server; http://host:port is one")
            queries.setdefault("s3", {}).update(endpoint_override=server.netloc, scheme=server.scheme)
        return cls({scheme: urlencode(query) for scheme, query in queries.items()})

    def place(self, name: str) -> Place:
        """Where a name lies. Raises :class:`ClusterError` for a URL that nothing here understands."""
        if SEPARATOR not in name:
            path = Path(name).absolute()
            return Place(str(path), _local(), path.as_posix())
        parts = urlsplit(name)
        shown = f"{parts.scheme}{SEPARATOR}{parts.netloc}{parts.path}"
        try:
            files, root = _remote(parts.scheme, parts.netloc, self.queries.get(parts.scheme, ""))
        except (OSError, ValueError) as error:
            raise ClusterError(f"{shown} cannot be reached: {str(error).splitlines()[0]}") from None
        return Place(shown.rstrip("/"), files, f"{root}{parts.path}".strip("/"))


@dataclass(frozen=True)
class Place:
    """A file or folder: what people call it, and where which file system keeps it."""

    uri: str
    files: Any
    path: str

    @property
    def is_local(self) -> bool:
        return isinstance(self.files, fs.LocalFileSystem)

    def child(self, name: str) -> Place:
        """What lies below, by a path of one or more parts."""
        return Place(f"{self.uri.rstrip('/')}/{name}", self.files, f"{self.path.rstrip('/')}/{name}")

    def at(self, path: str) -> Place:
        """Another path of the same storage, below this place."""
        return self.child(path.removeprefix(self.path).lstrip("/"))

    def read(self) -> bytes:
        """The whole file, which object storage is asked for once; raises OSError."""
        with self.files.open_input_file(
            self.path
        ) as file:  # a stream would ask for each quarter of a megabyte
            return bytes(file.read())

    def write(self, data: bytes) -> None:
        """Put a file in place, whole or not at all; raises OSError."""
        if not self.is_local:
            with self.files.open_output_stream(self.path) as stream:
                stream.write(data)
            return
        target = Path(self.path)
        partial = target.with_name(f".{target.name}.partial")
        try:
            with partial.open("wb") as file:
                file.write(data)
            partial.replace(target)
        except OSError:
            partial.unlink(missing_ok=True)
            raise

    def make_folder(self) -> None:
        """Raises :class:`ClusterError` where it cannot be made."""
        try:
            self.files.create_dir(self.path, recursive=True)
        except OSError as error:
            raise ClusterError(f"{self.uri} cannot be made: {reason_of(error)}") from None

    def entries(self) -> list[Any]:
        """File infos of what lies directly in a folder, by name; nothing where there is no folder."""
        selector = fs.FileSelector(self.path, allow_not_found=True)
        return sorted(self.files.get_file_info(selector), key=lambda info: info.path)

    def info(self) -> Any:
        """The file info of the place itself."""
        return self.files.get_file_info(self.path)

    def remove(self) -> None:
        self.files.delete_file(self.path)


@lru_cache(maxsize=1)
def _local() -> Any:
    return fs.LocalFileSystem()


@lru_cache(maxsize=64)
def _remote(scheme: str, host: str, query: str) -> tuple[Any, str]:
    """The file system of a bucket or host, and how paths in it begin."""
    url = f"{scheme}{SEPARATOR}{host}/{'?' if query else ''}{query}"
    files, root = fs.FileSystem.from_uri(url)
    return files, root.rstrip("/")
