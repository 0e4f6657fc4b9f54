"""Jinja2 for hostile text: every value is escaped and made visible, and a page may run its own script and nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup, escape

from conformance.report.escaping import escape_html, escape_line, prose
from conformance.report.labels import area_title, authority_title, label_of, moment

_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src data:; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def render(name: str, /, **values: Any) -> str:
    """A whole page: the template `name.html` with the shared style, its own `name.css` and, where it has one, its `name.js` in it.

    The page has no lone surrogates, so it can be encoded as UTF-8.
    """
    style, code = _asset("base.css") + _asset(f"{name}.css"), _asset(f"{name}.js")
    policy = _POLICY.format(script=_hash(code) if code else "'none'", style=_hash(style))
    page = _environment().get_template(f"{name}.html")
    return page.render(style=Markup(style), script=Markup(code), policy=Markup(policy), **values)  # noqa: S704 - our own files


def _asset(name: str) -> str:
    """A file of `templates/`, empty where there is none."""
    file = files("conformance.report") / "templates" / name
    return file.read_text("utf-8") if file.is_file() else ""


def embed(value: Any) -> Markup:
    """A value as JSON that can stand in a `script` element: ASCII, without `<`, `>`, `&` and `'`."""
    return htmlsafe_json_dumps(value, separators=(",", ":"))


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("conformance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "attribute": lambda text: escape(escape_line(text)),
        "area_title": area_title,
        "authority_title": authority_title,
        "moment": moment,
        "prose": prose,
        "label": label_of,
    }
    return environment


def _finalize(value: Any) -> Any:
    """What is no markup yet is text, and nobody has to remember to make it harmless."""
    return value if isinstance(value, Markup) else escape_html(value)
