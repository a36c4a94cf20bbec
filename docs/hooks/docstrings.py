"""Docstrings as Markdown: Sphinx' roles, tables and literal blocks, and doctests, become code."""

import re

import griffe

ROLE = re.compile(r":(?:func|class|mod|meth|data|attr):`~?([^`]+)`")
TABLE = re.compile(r"^( *)(=+ {2,}=+ *\n(?:.*\n)+?\1=+ {2,}=+)$", re.MULTILINE)
DOCTEST = re.compile(r"^( *)(>>> .*(?:\n *\S.*)*)", re.MULTILINE)
LITERAL = re.compile(r"::$", re.MULTILINE)


class Plain(griffe.Extension):
    def on_instance(self, *, obj, **kwargs):
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text):
    text = ROLE.sub(r"`\1`", text)
    text = TABLE.sub(r"\1```text\n\1\2\n\1```", text)
    text = DOCTEST.sub(r"\1```pycon\n\1\2\n\1```", text)
    return LITERAL.sub(":", text)
