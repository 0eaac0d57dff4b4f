"""``numzoo verify``: are the bytes still the right ones, and does a model still compute what its authors' code does?

Without names every file of the cache is looked at, several at once, since hashing leaves other threads free.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from numzoo.hub.cli.cache_choice import files_of, named_files
from numzoo.hub.cli.console import Console, size_text
from numzoo.hub.cli.run import fetch_options, trust_option

if TYPE_CHECKING:
    from numzoo.hub.download.fetch import Fetch
    from numzoo.hub.registry.record import FileRecord
    from numzoo.hub.store.cache import Entry

__all__ = ["add"]


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    verify = commands.add_parser(
        "verify",
        parents=[shared, trust_option()],
        help="hash files anew; check what a model computes; repair",
        description="Hash the files of the names that are given, or all that are in the cache, and say which are wrong. "
        "Exit code 5: something is wrong and was not repaired.",
    )
    verify.add_argument("names", nargs="*", metavar="NAME", help="what to verify (default: every file in the cache)")
    depth = verify.add_mutually_exclusive_group()
    depth.add_argument("--quick", action="store_true", help="hash only files that have changed since they were hashed")
    depth.add_argument("--full", action="store_true", help="hash every byte anew (the default)")
    verify.add_argument("--parity", action="store_true", help="also recompute the parity cards of the models")
    verify.add_argument(
        "--all",
        action="store_true",
        help="everything that is here: the cache, the package's own files, and all parity cards",
    )
    verify.add_argument(
        "--repair", action="store_true", help="fetch again what is wrong, only the wrong chunks where they are known"
    )
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace, console: Console) -> int:
    from numzoo.hub.errors import UsageError
    from numzoo.hub.registry.names import open_registry

    if options.all and options.names:
        raise UsageError("verify --all is for everything that is here; give either names or --all.")
    run = _Run(open_registry(options.registry), fetch_options(options, console), options, console)
    if options.names:
        for name in options.names:
            run.name(name)
    else:
        run.cache()
        if options.all:
            run.package()
        if options.parity or options.all:
            run.all_parity()
    console.document({"level": "quick" if options.quick else "full", "ok": run.code == 0, **run.documents})
    return run.code


class _Run:
    """One run of the command: `code` is that of the first failure, `documents` what JSON will say."""

    def __init__(self, registry: Any, fetch: Fetch, options: argparse.Namespace, console: Console) -> None:
        self.registry, self.fetch, self.options, self.console = registry, fetch, options, console
        self.code = 0
        self.documents: dict[str, list[dict[str, Any]]] = {"results" if options.names else "blobs": []}

    def name(self, name: str) -> None:
        """The files of one name, fetched where they are not here, and its parity card if that was asked for."""
        from numzoo.hub.errors import UsageError
        from numzoo.hub.registry.names import is_resource

        document: dict[str, Any] = {"name": name, "files": []}
        self.documents["results"].append(document)
        try:
            for file in files_of(self.registry, name):
                sha256, state = self._file(file)
                document["files"].append({"file": file.name, "sha256": sha256, "state": state})
                self.console.line(f"{name}  {file.name}  sha256 {sha256}  {state}")
            if self.options.parity and is_resource(name):
                raise UsageError(f"{name} is no model, so there is nothing that it computes; --parity is for models.")
            if self.options.parity:
                document["parity"] = self._parity(name)
        except Exception as error:
            document.update(self._failure(error, name))

    def cache(self) -> None:
        """Every blob; the names that use it are what is told of a wrong one, and what it is fetched again by."""
        from concurrent.futures import ThreadPoolExecutor
        from functools import partial

        from numzoo.hub.errors import NotFoundError
        from numzoo.hub.store.cache import Cache

        store, records = Cache(), self._records()
        entries = list(store.entries(irregular=True))
        if not entries:
            self.console.message(f"The cache is empty ({store.root}).")
        pool = ThreadPoolExecutor(_threads())
        try:
            problems = pool.map(partial(_problem, store, records, self.options.quick), entries)
            for entry, problem in zip(entries, problems, strict=True):
                if not isinstance(problem, NotFoundError):  # evicted since it was listed
                    self._blob(entry, problem, *records.get(entry.sha256, ("", None)))
        finally:
            pool.shutdown(cancel_futures=True)

    def _blob(self, entry: Entry, problem: Exception | None, name: str, file: FileRecord | None) -> None:
        document: dict[str, Any] = {"sha256": entry.sha256, "bytes": entry.bytes, "name": name, "state": "ok"}
        self.documents["blobs"].append(document)
        try:
            if problem is not None:
                self._repair_blob(file, problem)
                document["state"] = "repaired"
            self.console.line(f"{entry.sha256}  {size_text(entry.bytes)}  {document['state']}")
        except Exception as error:
            document.update(self._failure(error, name))

    def package(self) -> None:
        """The files that ship inside the package."""
        from numzoo.hub.download.embedded import embedded_path

        self.documents["package"] = []
        for name, _, file in named_files(self.registry):
            if embedded_path(file) is None:
                continue
            document: dict[str, Any] = {"name": name, "file": file.name, "sha256": file.sha256, "state": "ok"}
            self.documents["package"].append(document)
            try:
                self.fetch.verify(file)
                self.console.line(f"{file.sha256}  {size_text(file.bytes)}  ok")
            except Exception as error:
                document.update(self._failure(error, name))

    def all_parity(self) -> None:
        """The cards of all models whose files are here."""
        from numzoo.hub.cli.models import is_here

        self.documents["parity"] = []
        manifest = self.registry.manifest
        for name in manifest.names:
            entry = manifest.entry(name)
            if entry.parity is None or not all(is_here(file) for file in entry.files):
                continue
            document: dict[str, Any] = {"name": name}
            self.documents["parity"].append(document)
            try:
                document.update(self._parity(name))
            except Exception as error:
                document.update(self._failure(error, name))
        if not self.documents["parity"]:
            self.console.message("No model that is here has a parity card.")

    def _file(self, file: FileRecord) -> tuple[str, str]:
        """The sha256 of a verified file, and whether it had to be repaired."""
        from numzoo.hub.download.embedded import embedded_path
        from numzoo.hub.errors import IntegrityError, TrustError

        try:
            return self.fetch.verify(file, quick=self.options.quick), "ok"
        except IntegrityError as problem:
            if not self.options.repair or isinstance(problem, TrustError) or embedded_path(file) is not None:
                raise
        return self.fetch.repair(file), "repaired"

    def _repair_blob(self, file: FileRecord | None, problem: Exception) -> None:
        """Fetch a wrong blob again, if that was asked for and can be done; raise the problem otherwise."""
        from numzoo.hub.errors import IntegrityError

        if not self.options.repair or not isinstance(problem, IntegrityError):
            raise problem
        if file is None:
            raise IntegrityError(
                f"{problem} It cannot be repaired, because the registry does not name it; `numzoo cache rm` deletes it."
            )
        self.fetch.repair(file)

    def _parity(self, name: str) -> dict[str, Any]:
        from numzoo.hub.loading.parity import verify_parity

        result = verify_parity(
            name,
            trust_first_use=self.options.trust_first_use,
            offline=self.fetch.offline,
            registry=self.registry,
            progress=self.fetch.progress,
        )
        differs = result.first_difference
        self.console.line(str(result))
        if not result.passed:
            self.code = self.code or 5
        return {
            "passed": result.passed,
            "tolerance": result.tolerance,
            "values": len(result.checks),
            "first_difference": None if differs is None else differs.what,
        }

    def _failure(self, error: Exception, name: str) -> dict[str, Any]:
        from numzoo.hub.cli.main import exit_code

        if isinstance(error, BrokenPipeError):
            raise error  # whoever reads the results has gone
        failed = self.console.error(error, exit_code(error), about="" if name in str(error) else name)
        self.code = self.code or failed
        return {"state": "wrong", "error": str(error), "exit_code": failed}

    def _records(self) -> dict[str, tuple[str, FileRecord]]:
        """sha256 -> the first name that uses it, and its record."""
        found: dict[str, tuple[str, FileRecord]] = {}
        for name, _, file in named_files(self.registry):
            if file.sha256 is not None:
                found.setdefault(file.sha256, (name, file))
        return found


def _problem(store: Any, records: Any, quick: bool, entry: Any) -> Exception | None:
    """What is wrong with a blob, if anything."""
    _, file = records.get(entry.sha256, ("", None))
    try:
        size = None if file is None else file.bytes
        store.open_verified(entry.sha256, size, remember=quick, use=False).close()
    except Exception as problem:
        return problem
    return None


def _threads() -> int:
    import os

    return min(8, os.cpu_count() or 1)
