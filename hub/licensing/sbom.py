"""A bill of materials in CycloneDX 1.6 (ECMA-424): models, data and photographs with digests, licences and origins, and the
Python packages that run them.

Field names and values are those of https://cyclonedx.org/docs/1.6/json/.
"""

from __future__ import annotations

import datetime
import json
import os
import uuid
from collections.abc import Sequence
from typing import Any

from numzoo.hub.errors import IntegrityError
from numzoo.hub.licensing.expressions import parse_license
from numzoo.hub.licensing.inventory import Item
from numzoo.hub.licensing.packages import Package, own_package, packages
from numzoo.hub.licensing.terms import where_to_read
from numzoo.hub.registry.manifest import Entry
from numzoo.hub.registry.record import FileRecord

__all__ = ["cyclonedx"]

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/schema/bom-1.6")


def cyclonedx(items: Sequence[Item]) -> dict[str, Any]:
    """The bill of materials of these items. Its serial number follows from its content; SOURCE_DATE_EPOCH sets its time."""
    own = own_package()
    running = packages(own)
    components = [_component(item) for item in items] + [_library(package) for package in running]
    uses = [item["bom-ref"] for item in components[: len(items)]]
    dependencies = [{"ref": "project", "dependsOn": sorted({*uses, own.reference})}]
    dependencies += [{"ref": package.reference, "dependsOn": list(package.needs)} for package in running]
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": _time(),
            "tools": {"components": [{"type": "application", "name": own.name, "version": own.version}]},
            "component": {"type": "application", "bom-ref": "project", "name": "models and data"},
        },
        "components": components,
        "dependencies": dependencies,
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": f"urn:uuid:{serial}"}


def _component(item: Item) -> dict[str, Any]:
    """A model, or a data set or photograph."""
    about = item.about
    made: dict[str, Any] = {
        "type": "machine-learning-model" if isinstance(about, Entry) else "data",
        "bom-ref": item.name,
        "name": about.name.partition(".")[0] if isinstance(about, Entry) else item.name,
    }
    if isinstance(about, Entry):
        made["version"] = about.tag
    elif about.description:
        made["description"] = about.description
    files = [_locked(file) for file in item.files]
    if len(files) == 1 and files[0].sha256 is not None:
        made["hashes"] = [{"alg": "SHA-256", "content": files[0].sha256}]
    made["licenses"] = _licenses(item.license, item.source)
    references = [{"type": "website", "url": item.source}] if item.source.startswith(("https:", "http:")) else []
    made["externalReferences"] = [*references, *(each for file in files for each in _distributions(file))]
    if isinstance(about, Entry):
        made["modelCard"] = _model_card(about)
    else:
        made["data"] = [{"type": "dataset", "name": item.name}]
    if len(files) > 1:
        made["components"] = [_file(item.name, file) for file in files]
    made["properties"] = [
        {"name": "numzoo:commercial-use", "value": item.terms.commercial},
        {"name": "numzoo:attribution", "value": "yes" if item.terms.attribution else "no"},
        *({"name": "numzoo:must-be-accepted", "value": name} for name in item.to_accept),
    ]
    return made


def _file(owner: str, file: FileRecord) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "file", "bom-ref": f"{owner}/{file.name}", "name": file.name}
    if file.sha256 is not None:
        made["hashes"] = [{"alg": "SHA-256", "content": file.sha256}]
    return made


def _distributions(file: FileRecord) -> list[dict[str, Any]]:
    hashes = {"hashes": [{"alg": "SHA-256", "content": file.sha256}]} if file.sha256 is not None else {}
    return [
        {"type": "distribution", "url": source.replace(" ", "%20"), "comment": file.name, **hashes}
        for source in file.sources
        if not source.startswith("file:")
    ]


def _model_card(entry: Entry) -> dict[str, Any]:
    card: dict[str, Any] = {"modelParameters": {"task": entry.task, "modelArchitecture": entry.model}}
    metrics = [{"type": name, "value": str(value)} for name, value in sorted(entry.metrics.items())]
    return {**card, "quantitativeAnalysis": {"performanceMetrics": metrics}} if metrics else card


def _licenses(license: str, source: str) -> list[dict[str, Any]]:
    """A single licence by its identifier (or name, off the SPDX list) and address; anything else as an expression."""
    expression = parse_license(license)
    if expression.kind != "license" or expression.exception or license.endswith("+"):
        return [{"expression": license}]
    url = where_to_read(expression.license, source)
    field = "name" if expression.license.startswith("LicenseRef-") else "id"
    return [{"license": {field: expression.license, **({"url": url} if url.startswith("https:") else {})}}]


def _library(package: Package) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.reference,
        "name": package.name,
        "version": package.version,
        "purl": package.reference,
    }
    return {**made, "licenses": [{"expression": package.license}]} if package.license else made


def _locked(file: FileRecord) -> FileRecord:
    """The file with the digest that the lock has for it, if it has one."""
    from numzoo.hub.registry.trust import locked

    try:
        return locked(file)
    except IntegrityError:
        return file


def _time() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.datetime.fromtimestamp(int(epoch) if epoch.isdecimal() else 0, datetime.timezone.utc)
    if not epoch.isdecimal():
        moment = datetime.datetime.now(datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
