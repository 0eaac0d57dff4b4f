"""``numzoo pull``, ``predict`` and ``verify``: the commands that fetch and compute."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli.accept import accept_option
from numzoo.hub.cli.console import Console, size_text

if TYPE_CHECKING:
    from numzoo.hub.download.fetch import Fetch

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the three commands to the parser."""
    trust = argparse.ArgumentParser(add_help=False, parents=[accept_option()])
    trust.add_argument(
        "--trust-first-use",
        action="store_true",
        help="accept a file whose full sha256 is not known yet, and write the hash into models.lock",
    )
    pull = commands.add_parser("pull", parents=[shared, trust], help="fetch and verify files, print their paths")
    pull.add_argument("names", nargs="+", metavar="NAME", help="a model, sample:NAME or data:NAME[/FILE]")
    pull.add_argument("--dry-run", action="store_true", help="say what would be fetched, and fetch nothing")
    pull.add_argument(
        "--limit-rate", type=_rate, metavar="RATE", help="bytes per second at most, such as 2M (also NUMZOO_RATE_LIMIT)"
    )
    pull.set_defaults(run=_pull)
    predict = commands.add_parser("predict", parents=[shared, trust], help="classify images")
    predict.add_argument("model", metavar="MODEL", help="such as mobilenet_v2, or a file that `numzoo finetune` wrote")
    predict.add_argument("images", nargs="+", metavar="IMAGE", help="an image file, or sample:NAME")
    predict.add_argument("--top", type=_positive, default=5, metavar="N", help="how many classes to print (default 5)")
    predict.add_argument("--device", help="cpu or cuda")
    predict.add_argument("--dtype", help="such as bfloat16")
    predict.set_defaults(run=_predict)
    verify = commands.add_parser("verify", parents=[shared, trust], help="hash files anew; check what a model computes")
    verify.add_argument("names", nargs="*", metavar="NAME", help="what to verify (default: every file in the cache)")
    verify.add_argument("--parity", action="store_true", help="also recompute the parity card of each model")
    verify.set_defaults(run=_verify)


def _pull(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.cli.models import is_here
    from numzoo.hub.download import throttle
    from numzoo.hub.licensing.acceptance import require_acceptance_of_files
    from numzoo.hub.registry.names import open_registry

    throttle.set_limit(options.limit_rate)
    registry = open_registry(options.registry)
    fetch = _fetch(options, console)
    wanted = [(name, file) for name in options.names for file in registry.files(name)]
    documents = []
    if options.dry_run:
        for name, file in wanted:
            here = is_here(file)
            source = "here already" if here else f"from {file.sources[0]}"
            console.line(f"{name}  {file.name}  {size_text(file.bytes)}  {source}")
            documents.append(
                {"name": name, "file": file.name, "bytes": file.bytes, "here": here, "sources": list(file.sources)}
            )
        missing = [file for _, file in wanted if not is_here(file)]
        known = sum(file.bytes or 0 for file in missing)
        about = "at least " if any(file.bytes is None for file in missing) else ""
        console.message(f"would fetch {len(missing)} of {len(wanted)} files, {about}{size_text(known)}")
        console.document({"dry_run": True, "files": documents})
        return 0
    require_acceptance_of_files(file for _, file in wanted)  # before the first byte of any
    for (name, file), path in zip(wanted, fetch.paths([file for _, file in wanted]), strict=True):
        console.line(str(path))
        documents.append({"name": name, "file": file.name, "path": str(path)})
    console.document({"files": documents})
    return 0


def _predict(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.cli.main import exit_code
    from numzoo.hub.loading.pipelines import pipeline
    from numzoo.hub.registry.names import open_registry

    registry = open_registry(options.registry)
    fetch = _fetch(options, console)
    classify = pipeline(
        options.model,
        device=options.device,
        dtype=options.dtype,
        trust_first_use=options.trust_first_use,
        offline=fetch.offline,
        registry=registry,
        progress=fetch.progress,
    )
    code, documents = 0, []
    for image in options.images:
        try:
            best = classify(image, top=options.top)
        except Exception as error:
            # The other images are still worth their answers; the first failure decides how the command ends.
            failed = console.error(error, exit_code(error), about="" if image in str(error) else image)
            code = code or failed
            documents.append({"image": image, "error": str(error), "exit_code": failed})
            continue
        documents.append({"image": image, "top": [{"label": label, "probability": p} for label, p in best]})
        if len(options.images) > 1:
            console.line(f"{image}:")
        indent = "  " if len(options.images) > 1 else ""
        for label, probability in best:
            console.line(f"{indent}{probability:.3f}  {label}")
    console.document({"model": classify.name, "results": documents})
    return code


def _verify(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.registry.names import open_registry

    if not options.names:
        return _verify_cache(options, console)
    registry = open_registry(options.registry)
    fetch = _fetch(options, console)
    code, documents = 0, []
    for name in options.names:
        failure, document = _verify_one(registry, name, fetch, options, console)
        code = code or failure
        documents.append(document)
    console.document({"results": documents})
    return code


def _verify_one(
    registry: Any, name: str, fetch: Fetch, options: argparse.Namespace, console: Console
) -> tuple[int, dict[str, Any]]:
    """Hash one name's files anew and, if asked, run its card: the exit code and what to tell."""
    from numzoo.hub.cli.main import exit_code

    document: dict[str, Any] = {"name": name}
    try:
        document["files"] = []
        for file in registry.files(name):
            sha256 = fetch.verify(file)
            document["files"].append({"file": file.name, "sha256": sha256})
            console.line(f"{name}  {file.name}  sha256 {sha256}  ok")
        if not options.parity:
            return 0, document
        from numzoo.hub.loading.parity import verify_parity

        result = verify_parity(
            name,
            trust_first_use=options.trust_first_use,
            offline=fetch.offline,
            registry=registry,
            progress=fetch.progress,
        )
    except Exception as error:
        failed = console.error(error, exit_code(error), about="" if name in str(error) else name)
        return failed, {**document, "error": str(error), "exit_code": failed}
    differs = result.first_difference
    document["parity"] = {
        "passed": result.passed,
        "tolerance": result.tolerance,
        "values": len(result.checks),
        "first_difference": None if differs is None else differs.what,
    }
    console.line(str(result))
    return (0 if result.passed else 5), document


def _verify_cache(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.cli.main import exit_code
    from numzoo.hub.errors import UsageError
    from numzoo.hub.store.cache import Cache

    if options.parity:
        raise UsageError("verify --parity needs the name of a model, as in `numzoo verify mobilenet_v2 --parity`.")
    store = Cache()
    code, documents = 0, []
    for blob in store.entries(irregular=True):
        try:
            store.open_verified(blob.sha256, remember=False).close()
        except Exception as error:
            failed = console.error(error, exit_code(error))
            code = code or failed
            documents.append({"sha256": blob.sha256, "error": str(error), "exit_code": failed})
            continue
        console.line(f"{blob.sha256}  {size_text(blob.bytes)}  ok")
        documents.append({"sha256": blob.sha256, "bytes": blob.bytes})
    console.document({"blobs": documents})
    return code


def _fetch(options: argparse.Namespace, console: Console) -> Fetch:
    from numzoo.hub.download.fetch import Fetch

    # Without the option the environment decides, when a file is fetched.
    return Fetch(True if options.offline else None, options.trust_first_use, console.progress)


def _rate(text: str) -> float:
    from numzoo.hub.download.throttle import parse_rate
    from numzoo.hub.errors import UsageError

    try:
        return parse_rate(text, "the rate")
    except UsageError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"wanted a positive number, but {text!r} was given")
    return number
