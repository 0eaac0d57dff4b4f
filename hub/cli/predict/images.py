"""Images to classes with probabilities."""

from __future__ import annotations

import argparse
from typing import Any

from numzoo.hub.cli.console import Console

__all__ = ["answer"]


def answer(classify: Any, options: argparse.Namespace, console: Console) -> int:
    """Print the most probable classes of every image; one that cannot be read is named and leaves the others theirs."""
    from numzoo.hub.cli.main import exit_code

    code, documents = 0, []
    for image in options.inputs:
        try:
            best = classify(image, top=options.top)
        except BrokenPipeError:
            raise  # whoever reads the answers has gone
        except Exception as error:
            # The other images are still worth their answers; the first failure decides how the command ends.
            failed = console.error(error, exit_code(error), about="" if image in str(error) else image)
            code = code or failed
            documents.append({"image": image, "error": str(error), "exit_code": failed})
            continue
        documents.append({"image": image, "top": [{"label": label, "probability": p} for label, p in best]})
        if len(options.inputs) > 1:
            console.line(f"{image}:")
        indent = "  " if len(options.inputs) > 1 else ""
        for label, probability in best:
            console.line(f"{indent}{probability:.3f}  {label}")
    console.document({"model": classify.name, "results": documents})
    return code
