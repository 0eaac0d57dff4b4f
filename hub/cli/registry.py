"""``numzoo registry``: which registries there are, how they stand, and the configuration file that lists them."""

from __future__ import annotations

import argparse
from typing import Any

from numzoo.hub.cli.console import Console

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command and its own commands to the parser."""
    registry = commands.add_parser(
        "registry",
        parents=[shared],
        help="list, add and remove registries",
        description="Names come from the registries of the configuration file in their order, then from numzoo's own.",
    )
    actions = registry.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def action(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = actions.add_parser(name, parents=[shared], help=help)
        made.set_defaults(run=run)
        return made

    action("ls", _ls, "open the configured registries (or those of --registry) and say how they stand")
    adding = action("add", _add, "open a registry, and put it into the configuration file")
    adding.add_argument("name", help="what it shall be called here")
    adding.add_argument("address", help="its folder or https address")
    adding.add_argument("--key", action="append", default=[], help="a public key that may sign it (may be repeated)")
    adding.add_argument("--namespace", action="append", default=[], help="it may name nothing else (may be repeated)")
    adding.add_argument("--mirror", action="append", default=[], help="another address of it (may be repeated)")
    adding.add_argument("--dry-run", action="store_true", help="open it, and write nothing")
    removing = action("rm", _rm, "take a registry out of the configuration file")
    removing.add_argument("name", help="what it is called here")
    forgetting = action("forget", _forget, "forget which version was verified last, for a registry that begins anew")
    forgetting.add_argument("name", metavar="NAME_OR_ADDRESS", help="as it is configured, or as --registry had it")


def _ls(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.cli.main import exit_code
    from numzoo.hub.registry.opening import OWN, chosen, open_one

    code, rows, documents = 0, [], []
    for settings in chosen(options.registry):
        about: dict[str, Any] = {"name": settings.name, "address": settings.address, "keys": list(settings.keys)}
        try:
            about |= open_one(settings, options.registry.offline)
        except Exception as error:
            failed = console.error(error, exit_code(error))
            code = code or failed
            about |= {"error": str(error), "exit_code": failed}
        documents.append(about)
        if settings.name == OWN:
            state = "ships with numzoo"
        elif "error" in about:
            state = "refused, or not to be had"
        elif about.get("version") is None:
            state = "a plain manifest"
        else:
            state = f"version {about['version']}, {_signature(about, bool(settings.keys))}"
            state += f", good until {about['expires'][:10]}" if about["expires"] else ""
        rows.append((settings.name or "-", str(about.get("entries", "-")), state, settings.address or "-"))
    console.table(("NAME", "MODELS", "STATE", "ADDRESS"), rows, right=(1,))
    console.document({"registries": documents})
    return code


def _add(options: argparse.Namespace, console: Console) -> int:
    import re

    from numzoo.hub import configuration
    from numzoo.hub.configuration import NAME, RegistrySettings
    from numzoo.hub.configuring import add_registry
    from numzoo.hub.errors import UsageError
    from numzoo.hub.registry.opening import OWN, open_one
    from numzoo.hub.registry.static.access import is_web
    from numzoo.hub.registry.static.signing import check_public

    for name in (options.name, *options.namespace):
        if re.fullmatch(NAME, name) is None or options.name == OWN:
            raise UsageError(f"{name!r} cannot be the name: wanted small letters, digits, - and _, and not {OWN!r}.")
    for key in options.key:
        check_public(key)
    address = options.address
    if not is_web(address):
        from pathlib import Path

        address = str(Path(address).expanduser().absolute())
    settings = RegistrySettings(
        options.name, address.rstrip("/"), tuple(options.key), tuple(options.namespace), tuple(options.mirror)
    )
    about = open_one(settings, options.registry.offline)
    if about.get("signers") and not options.key:
        keys = " ".join(f"--key {key}" for key in about["signers"])
        console.message(
            f"note: it is signed, and nobody checks that. Compare the key with what its owner says, and add it with: {keys}"
        )
    if not options.dry_run:
        add_registry(settings)
        console.message(f"wrote {configuration.path()}")
    console.line(f"{settings.name}  {about['entries']} models  {settings.address}")
    console.document({"dry_run": options.dry_run, "name": settings.name, "address": settings.address, **about})
    return 0


def _rm(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub import configuration
    from numzoo.hub.configuring import remove_registry

    removed = remove_registry(options.name)
    console.message(f"wrote {configuration.path()}")
    console.line(f"removed {removed.name}  {removed.address}")
    console.document({"removed": removed.name, "address": removed.address})
    return 0


def _forget(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.errors import NotFoundError
    from numzoo.hub.registry.opening import settings_of
    from numzoo.hub.registry.static.memory import Memory
    from numzoo.hub.registry.static.opening import canonical

    address = canonical(settings_of(options.name).address)
    if not Memory(address).forget():
        raise NotFoundError(f"Nothing is remembered of {address}.")
    console.line(f"forgot {address}")
    console.document({"forgot": address})
    return 0


def _signature(about: dict[str, Any], wanted: bool) -> str:
    from numzoo.hub.registry.static.signing import key_id

    if about["key"] is not None:
        return f"signed by {key_id(about['key'])}"
    signers = ", ".join(key_id(key) for key in about["signers"])
    return f"signed by {signers}, not checked (no key is configured)" if signers else "not signed"
