"""``numzoo cache export``: verified files for PyTorch's and Hugging Face's own caches."""

from __future__ import annotations

import argparse
from typing import Any

from numzoo.hub.cli.console import Console, size_text
from numzoo.hub.cli.run import fetch_options, trust_option

__all__ = ["add"]


def add(actions: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser of ``numzoo cache``."""
    export = actions.add_parser(
        "export",
        parents=[shared, trust_option()],
        help="put a model's files where PyTorch or Hugging Face look",
        description="Put the verified files of a model into another program's cache, so that it need not fetch them: "
        "TORCH_HOME/hub/checkpoints for torch.hub and torchvision, HF_HUB_CACHE for transformers and huggingface_hub. "
        "The other program gets files of its own; nothing that it does to them reaches this cache.",
    )
    export.add_argument("name", metavar="NAME", help="a model, such as resnet50")
    export.add_argument("--to", required=True, choices=("torch", "huggingface"), help="whose cache")
    export.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    export.set_defaults(run=_export)


def _export(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.registry.names import open_registry
    from numzoo.hub.store import exports
    from numzoo.hub.store.cache import Cache

    plans = [exports.plan(file, options.to) for file in open_registry(options.registry).files(options.name)]
    fetch = fetch_options(options, console)
    documents = []
    for plan in plans:
        written = False
        if not options.dry_run:
            stream, sha256 = fetch.open(plan.file)
            stream.close()
            written = exports.write(plan, Cache(), sha256)
        console.line(str(plan.path))
        documents.append({"file": plan.file.name, "path": str(plan.path), "written": written})
        if options.dry_run:
            console.message(f"would write {size_text(plan.file.bytes)}")
        elif not written:
            console.message("was there already")
    console.document({"dry_run": options.dry_run, "files": documents})
    return 0
