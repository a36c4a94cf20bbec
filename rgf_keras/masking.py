"""Passwords, tokens and keys in texts, made unreadable."""

import re
from urllib.parse import unquote

DATABASES = r"(?:postgres\w*|mysql|mariadb|mssql|oracle)"  # where a name alone is no token
NETWORK = rf"(?:{DATABASES}|https?|ftps?|s3|gs|ray|redis)(?:\+\w+)?"
OF_FILES = "".join(rf"(?<!{scheme})" for scheme in ("sqlite", "journal", "file"))
SECRETS = (
    r"password|passwd|passphrase|secret|token|credential|signature",
    r"(?:(?<![a-z0-9])|(?<=%3b)|(?<=%26))(?:pwd|pw|pass|sig|sas|auth)",
    r"(?<=\w)[_-]key|(?:api|access|account)key",
)
OF_A_SECRET = re.compile(rf"(?:{'|'.join(SECRETS)})\Z", re.IGNORECASE)  # a name
PLAIN_NAME = re.compile(r"[\w.%+-]{0,19}")  # of a user; what is longer may be a token
KIND = r"[a-z][\w+.-]{0,30}"  # of an address (bounded, for texts may be very long)
AFTER = 300  # characters behind an @ that tell whether it is an address


def _patterns(char: str) -> list[re.Pattern[str]]:
    """What addresses hide, after what stays. All up to the last @ belongs to the password."""
    starts = rf"(?<![:/\\])\w{{0,30}}//+|{KIND}{OF_FILES}:[/\\]{{2,}}|(?<![a-z0-9]){NETWORK}[:/\\]+"
    patterns = [
        # an address, mistyped or not: https://TOKEN@, postgresql//NAME:PASSWORD@
        rf"(?P<start>{starts})(?P<hidden>{char}+)(?=@)",
        # of a kind that nobody knows: htp:/NAME:PASSWORD@
        rf"(?P<start>{KIND}:[/\\]*)(?P<hidden>[^\s/@:]+:{char}+)(?=@)",
        # without its kind: NAME:PASSWORD@HOST; no mailto:NAME@HOST, 10:30@PLACE, weight:1@5
        rf"(?P<start>(?<![^\s'\"=(])(?!folder:|mailto:|\d\d?:\d\d(?::\d\d)?@))"
        rf"(?P<hidden>[\w.%+-]+:[^\s/]{char}{{0,2000}})"
        rf"(?=@(?:[a-z_\[]|[\w-]{{1,{AFTER - 3}}}[.:/]\w))",
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
    return re.sub(r"\S+", _masked_word, text)


def masked_value(name: str, value: str) -> str:
    """What is recorded under a name, which may say by itself that it is a secret.

    >>> masked_value("arguments.api_key", "sk-123"), masked_value("num_tokens", "5")
    ('***', '5')
    """
    return "***" if OF_A_SECRET.search(name) else masked(value)


def _masked_word(word: re.Match[str]) -> str:
    """What stands between spaces; an address hides nothing but before its last @, and after a =."""
    text = word[0]
    *of_addresses, of_names = IN_TEXT
    if "@" in text:
        end = text.rindex("@") + AFTER
        head, tail = text[:end], text[end:]
        for pattern in of_addresses:
            head = pattern.sub(_masked_match, head)
        text = head + tail
    return of_names.sub(_masked_match, text) if "=" in text or "%3" in text else text


def _masked_match(match: re.Match[str]) -> str:
    return match["start"] + _shown_and_secret(match)[0]


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
