"""``numzoo licenses``: under which terms things stand, whether a policy allows them, and a bill of materials."""

from __future__ import annotations

import argparse
from typing import Any

from numzoo.hub.cli.console import Console

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    licenses = commands.add_parser(
        "licenses",
        parents=[shared],
        help="show licences, hold them to a policy, write a bill of materials",
        description="Show the licence of every NAME (default: of everything the registry knows): whether it allows commercial use, "
        "wants attribution, has to be accepted, and where it comes from. docs/licences.md says how a policy is written.",
    )
    licenses.add_argument("names", nargs="*", metavar="NAME", help="a model, sample:NAME or data:NAME")
    licenses.add_argument("--cached", action="store_true", help="only what lies in the cache")
    licenses.add_argument("--policy", metavar="FILE", help="a TOML file that says which licences are allowed")
    licenses.add_argument(
        "--sbom", choices=("cyclonedx",), help="print a bill of materials instead (CycloneDX 1.6, JSON)"
    )
    licenses.set_defaults(run=_licenses)


def _licenses(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.licensing.inventory import inventory
    from numzoo.hub.licensing.policy import Policy, read_policy
    from numzoo.hub.registry.names import open_registry

    policy = read_policy(options.policy) if options.policy else Policy()
    items = inventory(open_registry(options.registry), options.names, cached=options.cached)
    violations = [(item.name, why) for item in items if (why := policy.violation(item.name, item.license)) is not None]
    if options.sbom:
        import json

        from numzoo.hub.licensing.sbom import cyclonedx

        print(json.dumps(cyclonedx(items), indent=2, ensure_ascii=True))
    else:
        rows = [
            (
                item.name,
                item.license,
                item.terms.commercial,
                "needed" if item.terms.attribution else "no",
                "to accept" if item.to_accept else "",
                item.source,
            )
            for item in items
        ]
        console.document(
            {
                "licenses": [
                    {
                        "name": item.name,
                        "license": item.license,
                        "categories": list(item.terms.categories),
                        "commercial_use": item.terms.commercial,
                        "attribution": item.terms.attribution,
                        "to_accept": list(item.to_accept),
                        "source": item.source,
                    }
                    for item in items
                ],
                "violations": [{"name": name, "why": why} for name, why in violations],
            }
        )
        console.table(("NAME", "LICENCE", "COMMERCIAL", "ATTRIBUTION", "", "SOURCE"), rows)
    if not items and options.cached:
        console.message("Nothing of the registry lies in the cache.")
    for item in items:
        excepted = policy.exception(item.name)
        if excepted is not None:
            console.message(f"{item.name} is excepted: {excepted}")
    if violations:
        return console.error(_violated(options.policy, violations), 7)
    return 0


def _violated(policy: str, violations: list[tuple[str, str]]) -> Exception:
    from numzoo.hub.errors import LicenseError

    count = f"{len(violations)} {'thing violates' if len(violations) == 1 else 'things violate'}"
    listed = "\n".join(f"  {name}: {why}" for name, why in violations)
    return LicenseError(f"{count} the policy {policy}:\n{listed}")
