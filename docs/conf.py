"""Sphinx: reads Markdown, needs no network and no theme that is not in Sphinx itself."""

import safelight

project = "Safelight"
author = "The Safelight authors"
copyright = "The Safelight authors, Apache-2.0"
release = version = safelight.__version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "alabaster"
html_title = f"Safelight {release}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "description": "Hash, match, scan. Says what is on a hash list, and why.",
    "fixed_sidebar": True,
}
