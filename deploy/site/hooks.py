"""Adapts MkDocs to this repository: pages come from several directories, and links lead where they lead on GitHub."""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.livereload import LiveReloadServer
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
# The model cards in tests/sample/ are test data.
DOCUMENTS = ["*.md", "docs/**/*", "deploy/**/*.md", "tests/*/README.md"]

CODE_OR_PATH = re.compile(r"^```.*?^```|`[^`\n]*`|(?<=\]\()(?P<path>[^)\s#:]+)(?=[)#])", re.MULTILINE | re.DOTALL)
CELL = re.compile(r"<t[dh].*?</t[dh]>", re.DOTALL)
INLINE_CODE = re.compile(r"(?<!<pre>)<code>[^<]*</code>")
SHORT_WORD = re.compile(r"(?<![^\s>])[^\s<>]{1,30}(?![^\s<])")


def on_config(config: MkDocsConfig) -> None:
    """Gives headings the anchors of GitHub."""
    config.mdx_configs["toc"]["slugify"] = anchor


def anchor(heading: str, separator: str) -> str:
    """Returns the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Names every document by its path in the repository, so that relative links resolve as they do there."""
    documents = [path for pattern in DOCUMENTS for path in sorted(ROOT.glob(pattern)) if path.is_file()]
    names = [path.relative_to(ROOT).as_posix() for path in documents]
    pages = [File(name, str(ROOT), config.site_dir, config.use_directory_urls) for name in names]
    return Files([*pages, *(file for file in files if file.src_dir != config.docs_dir)])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Names the repository, and points links at its files there unless they are on the site."""

    def on_host(found: re.Match[str]) -> str:
        path = found["path"]
        target = path and normpath(join(dirname(page.file.src_uri), path))
        if not target or target in files or not (ROOT / target).exists():
            return found[0]
        return f"{config.repo_url}/{'tree' if (ROOT / target).is_dir() else 'blob'}/main/{target}"

    repository = urlsplit(str(config.repo_url)).path.strip("/")
    return CODE_OR_PATH.sub(on_host, markdown).replace("OWNER/REPOSITORY", repository)


def on_page_content(html: str, **_: object) -> str:
    r"""Shows `\|` in a table as `|`, as GitHub does, and breaks inline code at spaces only."""
    html = CELL.sub(lambda cell: cell[0].replace(r"\|", "|"), html)
    return INLINE_CODE.sub(lambda code: SHORT_WORD.sub(r"<span>\g<0></span>", code[0]), html)


def on_serve(server: LiveReloadServer, **_: object) -> None:
    """Makes `mkdocs serve` follow documents outside docs/ as well."""
    for path in [*ROOT.glob("*.md"), *ROOT.glob("tests/*/README.md")]:
        server.watch(str(path))
