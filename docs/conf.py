"""How the documentation is built: ``make docs``."""

from __future__ import annotations

from outofsync_client import __version__

project = "OutOfSync"
author = "the OutOfSync authors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_click",
    "sphinx_copybutton",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False

smartquotes = False  # options begin with two hyphens
nitpicky = True  # a name in a docstring that leads nowhere is an error
nitpick_ignore_regex = [
    # Other libraries' names: nothing is fetched while this is built.
    ("py:.*", r"(numpy|np|pandas|matplotlib|httpx|pathlib|os|collections|typing|datetime)\..*"),
    ("py:class", r"(NDArray|Path|IO|Any|Iterator|Iterable|AsyncIterator|Sequence|Mapping|Callable|Counter)"),
    ("py:.*", r"((Priority|State)Choice|Versions)"),
    ("py:.*", r"(optional|Literal|outofsync_client\.(management\.Self|_base\.Self|_(client|many)\.F))"),
]

html_theme = "furo"
html_title = "OutOfSync"
html_show_sphinx = False
html_show_copyright = False
templates_path: list[str] = []
exclude_patterns = ["_build"]
copybutton_exclude = ".linenos, .gp, .go"
