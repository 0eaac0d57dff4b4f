"""The bill of materials: valid by CycloneDX's own schema, complete, and the same for the same things."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from numzoo.hub.licensing.inventory import all_names, inventory
from numzoo.hub.licensing.packages import own_package, packages
from numzoo.hub.licensing.sbom import cyclonedx
from numzoo.hub.registry.manifest import Manifest
from numzoo.hub.registry.names import Registry, default_registry

FILE = {"name": "a.bin", "sha256": "0" * 64, "bytes": 1, "format": "idx", "sources": ["pypi:x==1!a b", "file:a.bin"]}


def materials(*names: str) -> dict[str, Any]:
    return cyclonedx(inventory(default_registry(), names))


def problems(document: dict[str, Any]) -> object:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))


def test_what_the_package_knows_fits_the_schema_of_cyclonedx() -> None:
    """Everything is listed; of each kind (what it is, licence, number of files, figures) one goes through the schema,
    which takes a tenth of a second for each."""
    document = materials()
    names = [each["bom-ref"] for each in document["components"]]
    assert set(all_names(default_registry())) <= set(names)
    assert len(set(names)) == len(names)
    kinds = {}
    for each in document["components"]:
        shape = (each["type"], json.dumps(each.get("licenses")), "hashes" in each, "components" in each)
        kinds[shape if each["type"] != "library" else each["name"]] = each
    assert problems({**document, "components": list(kinds.values()), "dependencies": []}) is None


LICENSES = ["MIT", "MIT OR Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0+", "LicenseRef-x"]


@pytest.mark.parametrize("license", LICENSES)
@pytest.mark.parametrize("files", [[FILE], [FILE, {**FILE, "name": "b.bin"}]])
def test_every_kind_of_licence_and_several_files_fit_the_schema(license: str, files: list[Any]) -> None:
    data = {"d": {"license": license, "source": "https://example.org/", "description": "digits", "files": files}}
    document = cyclonedx(inventory(Registry(Manifest({"schema": 1, "models": {}, "data": data}))))
    assert problems(document) is None
    assert license in json.dumps(document["components"][0]["licenses"])
    assert len(document["components"][0].get("components", [1])) == len(files)


def test_a_model_has_its_digest_licence_origins_and_figures() -> None:
    (model, *_) = materials("mobilenet_v2")["components"]
    entry = default_registry().entry("mobilenet_v2")
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "mobilenet_v2", entry.tag)
    assert model["hashes"] == [{"alg": "SHA-256", "content": entry.files[0].sha256}]
    assert model["licenses"][0]["license"]["id"] == "BSD-3-Clause"
    assert [each["url"] for each in model["externalReferences"]][1:] == list(entry.files[0].sources)
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert {"type": "imagenet1k/top1", "value": "71.878"} in metrics


def test_data_and_what_must_be_accepted_are_told() -> None:
    model, data, *_ = materials("regnet_y_16gf.imagenet1k-swag-e2e-v1", "data:mnist")["components"]
    assert {"name": "numzoo:must-be-accepted", "value": "CC-BY-NC-4.0"} in model["properties"]
    assert {"name": "numzoo:commercial-use", "value": "no"} in model["properties"]
    assert data["type"] == "data"
    assert [file["hashes"][0]["content"] for file in data["components"]] == [
        file.sha256 for file in default_registry().files("data:mnist")
    ]


def test_the_packages_that_run_the_models_are_listed_with_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    own = own_package()
    assert own.reference in [package.reference for package in packages(own)]
    numpy = [package for package in packages(own_of("requests")) if package.name == "requests"]
    assert any(need.startswith("pkg:pypi/urllib3@") for need in numpy[0].needs)


def own_of(name: str) -> Any:
    from numzoo.hub.licensing.packages import _installed

    found = _installed(name)
    assert found is not None
    return found


def test_the_same_things_give_the_same_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = materials("lenet")
    assert first["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert materials("lenet") == first
    assert materials("mobilenet_v2")["serialNumber"] != first["serialNumber"]
