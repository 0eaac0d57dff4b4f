"""``numzoo index``, ``publish`` and ``keys``: what the owner of a registry does."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli.console import Console

if TYPE_CHECKING:
    from numzoo.hub.registry.static.layout import Folder
    from numzoo.hub.registry.static.publishing import Published

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the commands to the parser."""
    signing = argparse.ArgumentParser(add_help=False)
    signing.add_argument(
        "--sign", action="append", default=[], metavar="KEYFILE", help="sign with this key; may be repeated"
    )
    signing.add_argument(
        "--expires",
        type=_days,
        metavar="DAYS",
        help="how long this version is good (0: for ever; default 365 if signed)",
    )
    signing.add_argument("--new-key", action="store_true", help="the old key is lost: sign without it")
    signing.add_argument("--dry-run", action="store_true", help="say what would be published, and publish nothing")
    signing.add_argument(
        "--replace", action="store_true", help="let a name mean other files than before; counts up its revision"
    )
    index = commands.add_parser(
        "index",
        parents=[shared, signing],
        help="make a folder a registry, or renew it",
        description="Make a folder a registry that any web server can serve, or give it its next version.",
    )
    index.add_argument("folder", metavar="DIR", help="the registry's folder")
    index.add_argument(
        "--manifest", metavar="FILE", help="the manifest to take entries from (default: DIR/manifest.json)"
    )
    pairs = {
        "--deprecate": ("NAME=MESSAGE", "say this once to whoever uses the entry"),
        "--replaced-by": ("NAME=NEW", "what to use instead of a deprecated entry"),
        "--withdraw": ("NAME=REASON", "refuse the entry from now on"),
        "--alias": ("OLD=NEW", "let an old name mean this"),
    }
    for option, (metavar, help) in pairs.items():
        index.add_argument(option, action="append", default=[], type=_pair, metavar=metavar, help=help)
    index.add_argument(
        "--restore", action="append", default=[], metavar="NAME", help="neither deprecated nor withdrawn"
    )
    index.add_argument("--default", action="append", default=[], metavar="NAME.TAG", help="what the bare name means")
    index.add_argument(
        "--check",
        action="store_true",
        help="hash every blob; a wrong one is exit 5. Alone it needs no key and writes nothing",
    )
    index.add_argument("--prune", action="store_true", help="delete blobs that the present manifest does not name")
    index.set_defaults(run=_index)

    publish = commands.add_parser(
        "publish",
        parents=[shared, signing],
        help="put a model into a registry",
        description="Put a model into a registry (--registry DIR), after loading it to see that it fits.",
    )
    publish.add_argument("path", metavar="MODEL", help="a file that hub.save wrote, another checkpoint, or its folder")
    publish.add_argument("--name", required=True, metavar="NAMESPACE/MODEL.TAG", help="what it shall be called")
    publish.add_argument("--license", required=True, help="the SPDX identifier of its licence, such as CC-BY-4.0")
    publish.add_argument("--source", required=True, metavar="ADDRESS", help="where it comes from")
    publish.add_argument("--model", help="its builder, if the file does not say it, such as vision.models.resnet50")
    publish.add_argument("--config", metavar="JSON", help="the builder's settings, with --model")
    publish.add_argument("--task", help='what it is for, if the file does not say it, such as "image-classification"')
    publish.add_argument("--notes", default="", help="what people should know of it")
    publish.add_argument(
        "--metric", action="append", default=[], type=_pair, metavar="NAME=VALUE", help="such as pets/top1=93.1"
    )
    publish.add_argument(
        "--default", action=argparse.BooleanOptionalAction, help="let the bare model name mean it (default: if newest)"
    )
    publish.set_defaults(run=_publish)

    keys = commands.add_parser("keys", parents=[shared], help="make or show a key that signs registries")
    actions = keys.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, run, help in (
        ("new", _new, "make a key in a new file that only you can read, and print its public half"),
        ("show", _show, "print the public half of a key"),
    ):
        action = actions.add_parser(name, parents=[shared], help=help)
        action.add_argument("file", metavar="KEYFILE", help="the file of the private key")
        action.set_defaults(run=run)


def _index(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.registry.static.indexing import Edits, ingest, merge, orphans, read_draft
    from numzoo.hub.registry.static.layout import Folder
    from numzoo.hub.registry.static.publishing import publish

    folder = Folder(Path(options.folder).expanduser())
    if options.check and not _changes(options) and folder.pointer() is not None:
        return _check(folder, console)
    edits = Edits(
        withdrawn=dict(options.withdraw),
        deprecated=dict(options.deprecate),
        replaced_by=dict(options.replaced_by),
        restored=options.restore,
        aliases=dict(options.alias),
        defaults=options.default,
    )
    place = Path(options.manifest) if options.manifest else folder.root / "manifest.json"
    copied, draft = [], None
    if options.manifest or place.is_file():
        draft = read_draft(place)
        copied = ingest(draft, place.absolute().parent, folder, dry_run=options.dry_run)
    elif folder.pointer() is None:
        from numzoo.hub.errors import NotFoundError

        raise NotFoundError(
            f"{folder.root} is no registry yet and has no manifest.json to make one of. Write one, name another with "
            f"--manifest, or put a first model there with `numzoo publish`."
        )

    def change(document: dict[str, Any]) -> None:
        if draft is not None:
            merge(document, draft, replace=options.replace)
        edits.apply(document)

    published = publish(
        folder,
        change,
        keys=_keys(options),
        days=options.expires,
        new_key=options.new_key,
        dry_run=options.dry_run,
    )
    removed = []
    if options.prune:
        removed = [path for path in orphans(folder) if published.statement.sha256 != path.name]
        for path in removed if not options.dry_run else ():
            path.unlink(missing_ok=True)
    wrong = _wrong(folder, console) if options.check else []
    extra = {"copied": copied, "removed": [path.name for path in removed], "wrong": wrong}
    _tell(published, folder, options, console, extra)
    return 5 if wrong else 0


def _changes(options: argparse.Namespace) -> bool:
    """Whether more is wanted of `numzoo index` than to look."""
    asked = (
        options.sign,
        options.manifest,
        options.prune,
        options.new_key,
        options.replace,
        options.expires is not None,
    )
    edited = (options.withdraw, options.deprecate, options.replaced_by, options.restore, options.alias, options.default)
    return any(asked) or any(edited)


def _check(folder: Folder, console: Console) -> int:
    """Hash the blobs of a registry, which needs no key and writes nothing."""
    wrong = _wrong(folder, console)
    total = sum(1 for _ in folder.blobs())
    console.line(f"{folder.root}: {total - len(wrong)} of {total} blobs have the sha256 of their names")
    console.document({"registry": str(folder.root), "blobs": total, "wrong": wrong})
    return 5 if wrong else 0


def _wrong(folder: Folder, console: Console) -> list[str]:
    from numzoo.hub.registry.static.indexing import check_blobs

    wrong = check_blobs(folder)
    for sha256 in wrong:
        console.message(f"error: the blob {folder.path(sha256)} does not have the sha256 of its name; put it back")
    return wrong


def _publish(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.errors import UsageError
    from numzoo.hub.loading.publishing import About, publish_model
    from numzoo.hub.registry.manifest import parse
    from numzoo.hub.registry.static.access import is_web
    from numzoo.hub.registry.static.layout import Folder

    targets = options.registry.addresses
    if len(targets) != 1 or is_web(targets[0]):
        raise UsageError("publish needs one --registry DIR, the registry's folder on this machine.")
    config = None if options.config is None else parse(options.config.encode("utf-8", "replace"), who="--config")
    if config is not None and not isinstance(config, dict):
        raise UsageError("--config is a JSON object of settings, such as '{\"classes\": 10}'.")
    about = About(
        license=options.license,
        source=options.source,
        model=options.model,
        config=config,
        task=options.task,
        notes=options.notes,
        metrics={name: _number(name, value) for name, value in options.metric},
    )
    folder = Folder(Path(targets[0]).expanduser())
    published, entry = publish_model(
        options.path,
        options.name,
        folder,
        about,
        keys=_keys(options),
        days=options.expires,
        new_key=options.new_key,
        replace=options.replace,
        default=options.default,
        dry_run=options.dry_run,
    )
    _tell(published, folder, options, console, {"name": options.name, "entry": entry})
    return 0


def _tell(
    published: Published, folder: Folder, options: argparse.Namespace, console: Console, extra: dict[str, Any]
) -> None:
    from numzoo.hub.registry.static.signing import key_id

    statement = published.statement
    signed = ", ".join(key_id(key) for key in published.keys)
    would = "would be " if options.dry_run else ""
    what = f"version {statement.version}" if published.changed else f"unchanged, version {statement.version}"
    console.line(f"{folder.root}: {would}{what}{f', signed by {signed}' if signed else ', not signed'}")
    if statement.expires is not None:
        console.message(
            f"good until {statement.expires:%Y-%m-%d}; `numzoo index {_quoted(folder)} --sign KEYFILE` renews it"
        )
    console.document(
        {
            "registry": str(folder.root),
            "version": statement.version,
            "manifest": statement.sha256,
            "changed": published.changed,
            "dry_run": options.dry_run,
            "keys": list(published.keys),
            "expires": None if statement.expires is None else statement.expires.isoformat(),
            **extra,
        }
    )


def _new(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.registry.static.signing import new_key

    path = Path(options.file).expanduser()
    return _key(new_key(path).public, path, console)


def _show(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.registry.static.signing import PrivateKey

    path = Path(options.file).expanduser()
    return _key(PrivateKey.read(path).public, path, console)


def _key(public: str, path: Path, console: Console) -> int:
    from numzoo.hub.registry.static.signing import key_id

    console.line(public)
    console.message(f"key {key_id(public)}; the private half stays in {path}: give it to nobody")
    console.document({"public": public, "id": key_id(public), "file": str(path)})
    return 0


def _keys(options: argparse.Namespace) -> list[Any]:
    if not options.sign:
        return []
    from numzoo.hub.registry.static.signing import PrivateKey

    return [PrivateKey.read(Path(file).expanduser()) for file in options.sign]


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise argparse.ArgumentTypeError(f"wanted NAME=VALUE, but {text!r} was given")
    return name, value


def _days(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 3650:
        raise argparse.ArgumentTypeError(f"wanted a number of days from 0 to 3650, but {text!r} was given")
    return int(text)


def _number(name: str, text: str) -> float:
    from numzoo.hub.errors import UsageError

    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--metric {name} is a number, but {text!r} was given.") from None


def _quoted(folder: Folder) -> str:
    """The folder as one would type it."""
    import shlex

    return shlex.quote(str(folder.root))
