"""What all configurations share: checked, frozen, to and from YAML, flat for MLflow."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from rgf_keras.cache import key_of
from rgf_keras.config import yaml_text
from rgf_keras.errors import RgfError, did_you_mean
from rgf_keras.masking import OF_A_SECRET, masked

INT32 = 2**31 - 1  # what backends take for sizes and seeds
LONGEST = 100  # characters of a value in an error
Positive = Annotated[int, Field(ge=1, le=INT32)]
Kind = TypeVar("Kind", bound="Config")

# Marks of fields, see `identity` and `unmitigated`.
LATER: dict[str, Any] = {"later": True}
MITIGATES: dict[str, Any] = {"mitigates": True}


class Config(BaseModel):
    """A frozen configuration without unknown keys and infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def identity(self) -> dict[str, Any]:
        """What tells results apart, JSON-able.

        Fields that are marked ``LATER`` are left out while they have their default: results that
        were made before such a field existed are still found.
        """
        tree = self.model_dump(mode="json")
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if _is(field, LATER) and value == field.get_default(call_default_factory=True):
                del tree[name]
            elif isinstance(value, Config):
                tree[name] = value.identity()
            elif isinstance(value, dict):
                parts = {key: x for key, x in value.items() if isinstance(x, Config)}
                tree[name] |= {key: part.identity() for key, part in parts.items()}
        return tree

    def unmitigated(self) -> Self:
        """A copy without mitigations: fields marked ``MITIGATES`` have their default."""
        changes: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if _is(field, MITIGATES):
                changes[name] = field.get_default(call_default_factory=True)
            elif isinstance(value, Config):
                changes[name] = value.unmitigated()
        return self.model_copy(update=changes)

    def with_values(self, values: dict[str, Any]) -> Self:
        """A changed copy. A changed ``model.family`` starts from that family's defaults.

        Args:
            values: by dotted key, e.g. ``{"spectral_decoupling.weight": 0.1}``.

        Raises:
            RgfError: an unknown key or a bad value, named.
        """
        tree: Any = self.model_dump(mode="json")
        # Families first: what else is set is set on the new one.
        for key, value in sorted(values.items(), key=lambda item: not _is_family(item[0])):
            *parents, leaf = key.split(".")
            node = tree
            for parent in parents:
                node = node.setdefault(parent, {}) if isinstance(node, dict) else None
            if not isinstance(node, dict):
                raise RgfError(f"configuration: unknown key '{' '.join(key.split())}'")
            if _is_family(key) and node.get(leaf) != value:
                node.clear()
            node[leaf] = value
        return parse(tree, type(self))

    def sets(self, key: str) -> bool:
        """Whether the value at a dotted key was given, be it the default one."""
        name, _, rest = key.partition(".")
        value = getattr(self, name)
        return name in self.model_fields_set and (not rest or value.sets(rest))

    def flat(self) -> dict[str, Any]:
        """Values by dotted key."""
        return dict(_flatten(self.model_dump(mode="json")))

    @property
    def key(self) -> str:
        """A hash of :meth:`identity`, for names of folders."""
        return key_of(dict(_flatten(self.identity())))

    def to_yaml(self) -> str:
        """As it is recorded: what has the name of a secret is masked."""
        return yaml.safe_dump(_without_secrets(self.model_dump(mode="json")), sort_keys=False)


def _without_secrets(tree: Any, name: str = "") -> Any:
    if isinstance(tree, dict):
        return {key: _without_secrets(value, str(key)) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_without_secrets(value, name) for value in tree]
    return "***" if isinstance(tree, str) and OF_A_SECRET.search(name) else tree


def parse(tree: Any, kind: type[Kind]) -> Kind:
    """A configuration of some kind from nested dicts.

    Raises:
        RgfError: an unknown key or a bad value, named.
    """
    try:
        return _validate(tree, kind)
    except ValidationError as error:
        raise RgfError(f"configuration: {explain(error, kind)}") from None


def read(path: str | Path, kind: type[Kind]) -> Kind:
    """A configuration of some kind from a YAML file.

    Raises:
        RgfError: the file is missing or no YAML, see :func:`yaml_text.read`; an unknown key or a
            bad value, named.
    """
    return parse(yaml_text.read(path) or {}, kind)


def _validate(tree: Any, kind: type[Kind]) -> Kind:
    """A configuration; fields of text take what was written in YAML, be it ``no`` or ``012``."""
    try:
        kind.model_validate(yaml_text.values(tree, words=True))
    except ValidationError as error:  # Pydantic takes True for 1
        if any(item["type"] in ("int_parsing", "float_parsing") for item in error.errors()):
            raise
    try:
        return kind.model_validate(yaml_text.values(tree))
    except ValidationError as error:
        texts = [item["loc"] for item in error.errors() if item["type"] == "string_type"]
        if not texts:
            raise
        return kind.model_validate(yaml_text.values(tree, texts))


def explain(error: ValidationError, kind: type[BaseModel] | None = None) -> str:
    """Pydantic's complaints in one line.

    Args:
        error: what Pydantic raised.
        kind: of configuration, for suggestions of keys; none without it.
    """
    text = "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'values'}: {_message(item, kind)}"
        + ("" if isinstance(item["input"], dict | BaseModel) else _received(item["input"]))
        for item in error.errors()
    )
    return " ".join(text.split())  # keys may have line breaks in them


def flatten(config: Config) -> dict[str, Any]:
    """The values of :meth:`Config.identity` by dotted key."""
    return dict(_flatten(config.identity()))


def _received(value: Any) -> str:
    try:
        text = masked(repr(value))
    except ValueError:  # an integer of more digits than Python writes
        text = f"a {type(value).__name__} of too many digits"
    return f", received {text if len(text) <= LONGEST else f'{text[:LONGEST]}…'}"


def _message(item: Any, kind: type[BaseModel] | None) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown key" + did_you_mean(str(item["loc"][-1]), _keys(kind, item["loc"][:-1]))
    if item["type"] == "union_tag_invalid":
        known = [tag.strip(" '") for tag in item["ctx"]["expected_tags"].split(",")]
        return item["msg"] + did_you_mean(item["ctx"]["tag"], known)
    return item["msg"]


def _keys(kind: type[BaseModel] | None, place: Iterable[str | int]) -> list[str]:
    """The keys that a configuration has at a place of Pydantic's."""
    kinds = [kind] if kind else []
    for part in place:
        inside = [each.model_fields[str(part)].annotation for each in kinds
                  if str(part) in each.model_fields]  # fmt: skip
        if inside:
            kinds = [each for annotation in inside for each in _configs(annotation)]
        else:  # the tag of a union, or the key of a dictionary
            kinds = [k for k in kinds if _family(k) in (None, part)]
    return [name for each in kinds for name in each.model_fields]


def _configs(annotation: Any) -> list[type[BaseModel]]:
    """The configurations in a type, e.g. those of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [each for part in get_args(annotation) for each in _configs(part)]


def _family(kind: type[BaseModel]) -> Any:
    field = kind.model_fields.get("family")
    return field.default if field else None


def _is(field: FieldInfo, mark: dict[str, bool]) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and mark.items() <= extra.items()


def _is_family(key: str) -> bool:
    return key.split(".")[-1] == "family"


def _flatten(tree: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
