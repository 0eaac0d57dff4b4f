"""The catalogue's pages as HTML. Everything from the registry is escaped; the pages load nothing from anywhere else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from numzoo.hub.catalog.plots import Dot, scatter
from numzoo.hub.quantities import size_text

__all__ = ["index_page", "item_page", "speed_key"]

Item = Mapping[str, Any]

# Nothing from another place, no code in the pages themselves: what a registry says is shown and never run.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
)


def index_page(items: Sequence[Item], speed: Mapping[str, Any], *, title: str) -> str:
    """The list of all, with search, filters and plots."""
    models = [item for item in items if item["kind"] == "model"]
    filters = "".join(
        _choice(name, label, sorted({str(value) for item in items for value in _values(item, name)}))
        for name, label in (("kind", "kind"), ("task", "task"), ("family", "builder"), ("license", "licence"))
    )
    body = f"""
<header><h1>{escape(title)}</h1>
<p>{len(models)} models, {sum(item["kind"] == "data set" for item in items)} data sets, {sum(item["kind"] == "sample" for item in items)} samples.
Every file is verified before it is used.</p></header>
<form class="filters" role="search">
<label>search <input type="search" name="q" autocomplete="off" placeholder="resnet, pets, MIT"></label>
{filters}
<label><input type="checkbox" name="commercial"> commercial use</label>
<label><input type="checkbox" name="verified"> full hash known</label>
<label><input type="checkbox" name="parity"> parity card</label>
<output aria-live="polite"></output>
</form>
{_plots(models, speed)}
<table class="items">
<thead><tr>{"".join(f'<th scope="col" data-column="{key}"><button type="button">{label}</button></th>' for key, label in _COLUMNS)}</tr></thead>
<tbody>
{"".join(_row(item) for item in items)}</tbody>
</table>
<p class="none" hidden>Nothing fits. Clear the search or a filter.</p>
<script src="site/catalog.js"></script>"""
    return _page(title, body, root="")


def item_page(item: Item, *, title: str) -> str:
    """All about one model, data set or sample."""
    files = "".join(_file_row(file) for file in item["files"])
    body = f"""
<nav><a href="../index.html">{escape(title)}</a></nav>
<header><h1>{escape(item["title"])}</h1>
<p>{escape(item.get("description") or "")}</p></header>
{_notices(item)}
<section><h2>Use it</h2>{"".join(f"<pre><code>{escape(code)}</code></pre>" for code in _code(item))}</section>
<section><h2>Facts</h2><dl>{"".join(_fact(label, value) for label, value in _facts(item))}</dl></section>
{_mapping("Results", item.get("metrics"))}
{_mapping("Preprocessing", item.get("transform"))}
{_mapping("Configuration", item.get("config"))}
<section><h2>Files</h2><table><thead><tr><th>file</th><th>size</th><th>format</th><th>sha256</th><th>sources</th></tr></thead>
<tbody>{files}</tbody></table></section>
<script src="../site/copy.js"></script>"""
    return _page(f"{item['title']} - {title}", body, root="../")


_COLUMNS = (
    ("title", "name"),
    ("task", "task"),
    ("accuracy", "top-1"),
    ("parameters", "parameters"),
    ("bytes", "size"),
    ("license", "licence"),
)


def _page(title: str, body: str, *, root: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
<link rel="stylesheet" href="{root}site/catalog.css">
</head>
<body>{body}
</body>
</html>
"""


def _row(item: Item) -> str:
    text = " ".join(str(item.get(key) or "") for key in ("title", "description", "task", "family", "license", "source"))
    marks = {
        "text": text.lower(),
        "kind": item["kind"],
        "task": item["task"],
        "family": item["family"],
        "license": item["license"],
        "commercial": item["commercial"],
        "verified": "yes" if item["verified"] else "no",
        "parity": "yes" if item.get("parity") else "no",
        "title": item["title"].lower(),
        "accuracy": item.get("accuracy"),
        "parameters": item.get("parameters"),
        "bytes": item.get("bytes"),
    }
    data = " ".join(f'data-{key}="{escape(str(value))}"' for key, value in marks.items() if value is not None)
    return (
        f'<tr data-name="{escape(item["title"])}" {data}><td><a href="{escape(item["page"])}">{escape(item["title"])}</a>'
        f"{'<span class=mark title=default>*</span>' if item.get('default') else ''}</td><td>{escape(item['task'])}</td>"
        f"<td>{_number(item.get('accuracy'))}</td><td>{_millions(item.get('parameters'))}</td>"
        f"<td>{size_text(item['bytes'])}</td><td>{escape(item['license'])}</td></tr>\n"
    )


def _plots(models: Sequence[Item], speed: Mapping[str, Any]) -> str:
    scored = [item for item in models if item["accuracy"] is not None]
    times: Mapping[str, float] = speed.get("milliseconds", {})
    by_size = [
        Dot(item["title"], item["page"], item["parameters"] / 1e6, item["accuracy"])
        for item in scored
        if item["parameters"]
    ]
    by_time = [
        Dot(item["title"], item["page"], times[key], item["accuracy"])
        for item in scored
        if (key := speed_key(item)) in times
    ]
    figures = [
        (scatter(by_size, x="parameters, millions", y="ImageNet top-1, %"), "Accuracy against size; the line joins the models that none beats in both."),
        (scatter(by_time, x="milliseconds for one picture", y="ImageNet top-1, %"), f"Accuracy against time. {speed.get('measured', '')}"),
    ]  # fmt: skip
    return "".join(
        f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" for svg, caption in figures if svg
    )


def speed_key(item: Item) -> str:
    """What the table of measured times calls a model: its builder and the side of its pictures."""
    return f"{item['family']}@{(item.get('transform') or {}).get('crop')}"


def _choice(name: str, label: str, values: Iterable[str]) -> str:
    options = "".join(f"<option>{escape(value)}</option>" for value in values if value)
    return f'<label>{label} <select name="{name}"><option value="">all</option>{options}</select></label>\n'


def _values(item: Item, name: str) -> Iterable[Any]:
    return str(item[name]).split(", ") if name == "task" else [item[name]]


def _notices(item: Item) -> str:
    said = []
    if item.get("withdrawn"):
        said.append(f"Withdrawn: {item['withdrawn']}")
    if item.get("deprecated"):
        about = item["deprecated"]
        said.append(
            f"Deprecated: {about.get('message', '')} {'Use ' + about['replaced_by'] if about.get('replaced_by') else ''}"
        )
    if item["commercial"] == "no":
        said.append(f"{item['license']} does not allow commercial use; it has to be accepted once, by name.")
    if not item["verified"]:
        said.append("Not every file's full sha256 is known: the first download has to be trusted (--trust-first-use).")
    if item.get("manual"):
        said.append(str(item["manual"]))
    return "".join(f'<p class="notice">{escape(each)}</p>' for each in said)


def _code(item: Item) -> list[str]:
    name = item["title"]
    if item["kind"] == "sample":
        return [f"numzoo pull {name}", f'from numzoo import hub\n\npath = hub.pull("{name}")']
    if item["kind"] == "data set":
        short = name.removeprefix("data:")
        lines = [f"numzoo data pull {short}"]
        if item.get("loader"):
            splits = list(item.get("splits") or ())
            split = f', split="{splits[0]}"' if splits else ""
            lines.append(f'from numzoo import hub\n\nexamples = hub.load_data("{short}"{split})')
        return lines
    code = [f'from numzoo import hub\n\nmodel = hub.load("{name}")\nprint(model.load_report)']
    if item["task"] == "image-classification":
        code.insert(0, f"numzoo predict {name} photo.jpg")
        code.append(f'model = hub.load("{name}", classes=10)  # the same weights with a new head, for fine-tuning')
    return code


def _facts(item: Item) -> list[tuple[str, str]]:
    return [
        (label, value)
        for label, value in (
            ("task", item["task"]),
            ("licence", f"{item['license']} (commercial use: {item['commercial']})"),
            ("source", item["source"]),
            ("builder", item.get("model") or ""),
            ("loader", item.get("loader") or ""),
            ("parameters", f"{item['parameters']:,}" if item.get("parameters") else ""),
            ("GFLOPs a picture", f"{item['gflops']:g}" if item.get("gflops") else ""),
            ("size", size_text(item["bytes"]) if item["bytes"] is not None else ""),
            ("examples", ", ".join(f"{split}: {count:,}" for split, count in (item.get("examples") or {}).items())),
            ("classes", str(item.get("classes") or "")),
            ("parity card", "yes: what the authors' own code computes is checked by numzoo verify --parity" if item.get("parity") else ""),
            ("citation", item.get("citation") or ""),
        )
        if value
    ]  # fmt: skip


def _fact(label: str, value: str) -> str:
    shown = f'<a href="{escape(value)}">{escape(value)}</a>' if value.startswith("https://") else escape(value)
    return f"<dt>{escape(label)}</dt><dd>{shown}</dd>"


def _mapping(title: str, values: Mapping[str, Any] | None) -> str:
    if not values:
        return ""
    facts = "".join(_fact(key, value if isinstance(value, str) else json.dumps(value)) for key, value in values.items())
    return f"<section><h2>{title}</h2><dl>{facts}</dl></section>"


def _file_row(file: Mapping[str, Any]) -> str:
    digest = file["sha256"] or (f"{file['sha256_prefix']}..." if file["sha256_prefix"] else "not known")
    sources = "<br>".join(escape(source) for source in file["sources"])
    return (
        f"<tr><td>{escape(file['name'])}</td><td>{size_text(file['bytes'])}</td><td>{escape(file['format'])}</td>"
        f"<td><code>{escape(digest)}</code></td><td>{sources}</td></tr>"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _millions(value: int | None) -> str:
    return "" if value is None else f"{value / 1e6:.1f} M"
