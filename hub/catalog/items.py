"""What the catalogue shows of a registry, as plain values: models, samples, data sets."""

from __future__ import annotations

from typing import Any

from numzoo.hub.licensing.terms import terms_of
from numzoo.hub.registry.names import Registry

__all__ = ["items_of", "page_of"]


def items_of(registry: Registry) -> list[dict[str, Any]]:
    """One record for each name, in the registry's order, models first; each names the `page` that tells all about it."""
    manifest = registry.manifest
    return [
        *(_model(registry, name) for name in manifest.names),
        *(_resource(registry, f"data:{name}", "data set") for name in manifest.data),
        *(_resource(registry, f"sample:{name}", "sample") for name in manifest.samples),
    ]


def page_of(name: str) -> str:
    """The file that tells about a name; `:` and `/` are no part of file names everywhere."""
    return "pages/" + name.replace(":", "-").replace("/", "--") + ".html"


def _model(registry: Registry, name: str) -> dict[str, Any]:
    about = registry.describe(name)
    return {
        **about,
        **_terms(about["license"]),
        "kind": "model",
        "page": page_of(name),
        "title": name,
        "description": about["notes"],
        "family": about["model"].rpartition(".")[2],
        "verified": all(file["sha256"] for file in about["files"]),
        "accuracy": about["metrics"].get("imagenet1k/top1"),
    }


def _resource(registry: Registry, name: str, kind: str) -> dict[str, Any]:
    about = registry.describe(name)
    sizes = [file["bytes"] for file in about["files"]]
    return {
        **about,
        **_terms(about["license"]),
        "name": name,
        "kind": kind,
        "page": page_of(name),
        "title": name,
        "family": "",
        "task": ", ".join(about.get("tasks") or ()),
        "bytes": None if None in sizes else sum(sizes),
        "verified": all(file["sha256"] for file in about["files"]),
    }


def _terms(license: str) -> dict[str, Any]:
    terms = terms_of(license)
    return {
        "commercial": terms.commercial,
        "attribution": terms.attribution,
        "categories_of_license": list(terms.categories),
    }
