"""Sphinx: how the documentation is built.

Run it in the repository's root: sphinx-build -W --keep-going -b html docs docs/_build/html.

Pages are Markdown that GitHub shows, too. Files outside docs/ that pages link to, such as README.md, are
pages of the site where PAGES names one; links to others become plain text.
"""

import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import kitro_np  # noqa: E402 - the sources beside these pages, installed or not

project = "kitro_np"
author = "the authors of kitro_np"
copyright = "the authors of kitro_np, MIT licence"
version = release = kitro_np.__version__

templates_path = ["_templates"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # headings of included pages begin where their file does

napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_typehints = "none"  # docstrings name the types
autodoc_member_order = "bysource"
autosummary_generate = True
default_role = "code"
add_module_names = False

html_theme = "furo"
html_title = f"kitro_np {version}"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False

PAGES = {
    "ARCHITECTURE.md": "docs/architecture.md",
    "CHANGELOG.md": "docs/changes.md",
    "CONTRIBUTING.md": "docs/contributing.md",
    "README.md": "docs/index.md",
    "bench/README.md": "docs/benchmarks.md",
    "models/README.md": "docs/models.md",
}
"""Pages of the site that stand for a file of the repository."""

INCLUDE = re.compile(r"^This page is .*\n\n:::\{include\} (\S+)\n:::$", flags=re.MULTILINE)
"""A file to include; the sentence before it is for readers of the bare page."""

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s:]+)\)")


def at_home(text: str, folder: str, home: str) -> str:
    """Return a page's text with its links as seen from another folder, both relative to the root."""

    def moved(link: re.Match[str]) -> str:
        image, words, target = link.groups()
        path, hash_sign, anchor = target.partition("#")
        if not path:
            return link[0]
        whole = posixpath.normpath(posixpath.join(folder, path))
        whole = PAGES.get(whole, whole)
        if not image and not (whole.startswith("docs/") and whole.endswith(".md")):
            return words
        return f"{image}[{words}]({posixpath.relpath(whole, home)}{hash_sign}{anchor})"

    return LINK.sub(moved, text)


def read_page(app, name: str, source: list[str]) -> None:
    """Include files of the repository, and turn links to them into links to their pages."""
    home = posixpath.dirname(f"docs/{name}")
    text = at_home(source[0], home, home)

    def included(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(home, found[1]))
        own = (ROOT / path).read_text(encoding="utf-8")
        return at_home(own.partition("\n")[2], posixpath.dirname(path), home)  # the page has a title

    source[0] = INCLUDE.sub(included, text)


def split_attributes(app, what: str, name: str, thing, options, lines: list[str]) -> None:
    """Make two attributes of `first, second : type`, which napoleon takes for one."""
    if "Attributes" in lines:
        begin = lines.index("Attributes")
        for k in range(len(lines) - 1, begin, -1):
            if pair := re.fullmatch(r"(\w+), (\w+) : (.*)", lines[k]):
                lines[k : k + 1] = [f"{pair[1]} : {pair[3]}", f"{pair[2]} : {pair[3]}"]


def setup(app) -> None:
    """Add what Sphinx does not know."""
    from sphinx.domains.python import PyObject

    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", split_attributes, priority=400)  # before napoleon
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
