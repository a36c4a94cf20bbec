"""Passwords, tokens and keys in texts, made unreadable."""

import re
from urllib.parse import unquote

DATABASES = r"(?:postgres\w*|mysql|mariadb|mssql|oracle)"  # where a name alone is no token
NETWORK = rf"(?:{DATABASES}|https?|ftps?|s3|gs|ray|redis)(?:\+\w+)?"
OF_FILES = "".join(rf"(?<!{scheme})" for scheme in ("sqlite", "journal", "file"))
SECRETS = (
    r"\w*(?:password|passwd|passphrase|secret|token|credential|signature)",
    r"(?:(?<![a-z0-9])|(?<=%3b)|(?<=%26))(?:pwd|pw|pass|sig|sas|auth|\w+[_-]key|\w*(?:api|access|account)key)",
)
OF_A_SECRET = re.compile(rf"(?:{'|'.join(SECRETS)})\Z", re.IGNORECASE)  # a name
PLAIN_NAME = re.compile(r"[\w.%+-]{0,19}")  # of a user; what is longer may be a token


def _patterns(char: str) -> list[re.Pattern[str]]:
    """What addresses hide, after what stays. All up to the last @ belongs to the password."""
    starts = rf"(?<![:/\\])\w*//+|[a-z][\w+.-]*{OF_FILES}:[/\\]{{2,}}|(?<![a-z0-9]){NETWORK}[:/\\]+"
    patterns = [
        # an address, mistyped or not: https://TOKEN@, postgresql//NAME:PASSWORD@
        rf"(?P<start>{starts})(?P<hidden>{char}+)(?=@)",
        # of a kind that nobody knows: htp:/NAME:PASSWORD@
        rf"(?P<start>[a-z][\w+.-]*:[/\\]*)(?P<hidden>[^\s/@:]+:{char}+)(?=@)",
        # without its kind: NAME:PASSWORD@HOST; no mailto:NAME@HOST, 10:30@PLACE, weight:1@5
        rf"(?P<start>(?<![^\s'\"=(])(?!folder:|mailto:|\d\d?:\d\d(?::\d\d)?@))"
        rf"(?P<hidden>[\w.%+-]+:[^\s/]{char}*)(?=@(?:[a-z_\[]|[\w-]+[.:/]\w))",
        rf"(?P<start>(?:{'|'.join(SECRETS)})(?:=|%3d))(?P<hidden>(?:(?!&){char})+)",
    ]
    return [re.compile(pattern, re.IGNORECASE) for pattern in patterns]


IN_TEXT, OF_ADDRESS = _patterns(r"\S"), _patterns(r"[\s\S]")


def masked(text: str, address: str = "") -> str:
    """A text without the passwords, tokens and keys of the addresses in it.

    To be called before a text is cut, for half a password is one too.

    Args:
        text: for people or for records.
        address: what the text is about. Whatever it hides is hidden in any form, be it a part that
            a library has taken for the name of a host.

    >>> masked("postgresql://me:p@ss@host/db"), masked("https://0123abc@host?sig=4567")
    ('postgresql://me:***@host/db', 'https://***@host?sig=***')
    >>> masked("no host 'ss@host'", "postgresql://me:p@ss@host/db")
    "no host '***@host'"
    """
    for piece in _pieces(address):
        text = re.sub(rf"(?<!\w){re.escape(piece)}(?!\w)", "***", text)
    for pattern in IN_TEXT:
        text = pattern.sub(lambda match: match["start"] + _shown_and_secret(match)[0], text)
    return text


def masked_value(name: str, value: str) -> str:
    """What is recorded under a name, which may say by itself that it is a secret.

    >>> masked_value("arguments.api_key", "sk-123"), masked_value("num_tokens", "5")
    ('***', '5')
    """
    return "***" if OF_A_SECRET.search(name) else masked(value)


def _shown_and_secret(match: re.Match[str]) -> tuple[str, str]:
    start, hidden = match["start"], match["hidden"]
    name, colon, password = hidden.partition(":")
    is_name = PLAIN_NAME.fullmatch(name) and not start.lower().endswith(("=", "%3d"))
    if is_name and password:
        return f"{name}:***", password
    if is_name and not colon and re.match(DATABASES, start, re.IGNORECASE):
        return name, ""
    return "***", hidden


def _pieces(address: str) -> list[str]:
    """What an address hides, as it is written and as it is meant, and the parts of both."""
    matches = (match for pattern in OF_ADDRESS for match in pattern.finditer(address))
    secrets = {secret for match in matches if (secret := _shown_and_secret(match)[1])}
    secrets |= {unquote(secret) for secret in secrets}
    parts = {part for secret in secrets for part in re.split(r"[/\\@:?#&\s]+", secret)}
    return sorted((x for x in secrets | parts if len(x) > 1), key=len, reverse=True)
