"""Refuses pages that load anything from elsewhere: they are read without the network."""

import re

from mkdocs.exceptions import PluginError

LOADED = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=["']?(https?:[^"'> ]+)""")


def on_post_page(output, page, config):
    if found := LOADED.findall(output):
        raise PluginError(f"{page.file.src_uri} loads {found[0]} from the network")
    return output
