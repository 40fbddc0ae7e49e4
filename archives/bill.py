"""The bill of materials that lies beside the archives (``sbom.cdx.json``), as scanners read it: CycloneDX.

It names the archives with their sums, the weights in each, the libraries that serve them, and those of the
page, all with their licences. The same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import uuid
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from archives.inventory import PROJECT_LICENCE, Part, libraries, page_libraries
from outofsync import __version__

WEIGHTS_KIND = ".safetensors"
NAMESPACE = uuid.UUID("c1dd8a5c-51f4-4b0a-9a30-5d4f0f1b7a52")  # of these bills' serial numbers


def bill_name(version: str | None) -> str:
    """The file's name: the store's own, or that of a version which is built beside."""
    return "sbom.cdx.json" if version is None else f"sbom-{version}.cdx.json"


def write_bill(archives: Iterable[Path], target: Path) -> None:
    """Replace the bill of these archives, whole or not at all."""
    described = [_of_archive(path) for path in sorted(archives)]
    parts = [*libraries(), *page_libraries()]
    whole = Component(
        name="outofsync",
        version=__version__,
        type=ComponentType.APPLICATION,
        bom_ref="outofsync",
        licenses=[DisjunctiveLicense(id=PROJECT_LICENCE)],
    )
    bom = Bom(
        components=[*described, *map(_of_part, parts)],
        metadata=BomMetaData(component=whole),
    )
    bom.register_dependency(whole, bom.components)
    content = json.loads(JsonV1Dot6(bom).output_as_string())
    del content["metadata"]["timestamp"]  # the same inputs give the same bytes
    content["serialNumber"] = ""
    unnumbered = json.dumps(content, sort_keys=True)
    content["serialNumber"] = f"urn:uuid:{uuid.uuid5(NAMESPACE, unnumbered)}"
    partial = target.with_name(f"{target.name}.partial")
    partial.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(target)


def _of_archive(path: Path) -> Component:
    with zipfile.ZipFile(path) as file:
        weights = [name for name in file.namelist() if PurePosixPath(name).suffix == WEIGHTS_KIND]
        inside = [
            Component(
                name=name,
                type=ComponentType.MACHINE_LEARNING_MODEL,
                bom_ref=f"{path.name}/{name}",
                hashes=[_sha256(file.read(name))],
                licenses=[DisjunctiveLicense(id=PROJECT_LICENCE)],
            )
            for name in weights
        ]
    return Component(
        name=path.name,
        type=ComponentType.FILE,
        bom_ref=path.name,
        hashes=[_sha256(path.read_bytes())],
        licenses=[DisjunctiveLicense(id=PROJECT_LICENCE)],
        components=inside,
    )


def _of_part(part: Part) -> Component:
    licence = LicenseExpression(part.licence) if part.expression else DisjunctiveLicense(name=part.licence)
    return Component(
        name=part.name,
        version=part.version,
        type=ComponentType.LIBRARY,
        bom_ref=part.purl,
        purl=PackageURL.from_string(part.purl),
        licenses=[licence] if part.licence else [],
    )


def _sha256(data: bytes) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(data).hexdigest())
