"""Whether what `--json` prints has the keys that are documented, and no others."""

import re

from rgf_keras.cli.records import RECORDS


def tree(keys):
    """Documented keys by level; what has none below may be anything."""
    root = {}
    for key in keys:
        node = root
        for part in re.findall(r"\[\]|[^.\[\]]+", key):
            node = node.setdefault(part, {})
    return root


def differences(value, node, where=""):
    """Keys that are not documented, and documented ones that are missing."""
    if not node or value is None:
        return []
    if isinstance(value, list):
        if "[]" not in node:
            return [f"{where} is a list"]
        return [each for x in value for each in differences(x, node["[]"], f"{where}[]")]
    if not isinstance(value, dict):
        return [f"{where} is {value!r}"]
    found = [f"{where}.{key} is missing" for key in node if "{" not in key and key not in value]
    for key, inner in value.items():
        patterns = {name: re.sub(r"\\{.*?\\}", ".*", re.escape(name)) for name in node}
        known = [name for name in node if name == key]
        known += [name for name, pattern in patterns.items() if re.fullmatch(pattern, str(key))]
        if known:
            found += differences(inner, node[known[0]], f"{where}.{key}")
        else:
            found.append(f"{where}.{key} is not documented")
    return found


def command_of(arguments):
    """What is documented of a command line, e.g. ``study show``; None if it prints no JSON."""
    line, mode = " ".join(arguments), " --dry-run" if "--dry-run" in arguments else ""
    names = [name for name in RECORDS if f"{line} ".startswith(f"{name} ") and " --" not in name]
    return f"{names[0]}{mode}" if "--json" in arguments and names else None


def check(command, record):
    """Refuse a record with other keys than those that are documented."""
    assert differences(record, tree(RECORDS[command])) == [], command
