"""What the AWS provider of Terraform accepts, read out of its bindings for JavaScript.

The npm package @cdktf/provider-aws is generated from the provider's own schema and says it all: for
every resource its arguments, which of them are blocks, of what type, required, and what is known
only afterwards. Terraform's own registry need not be reached.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_TYPES = {"String": "string", "Number": "number", "Boolean": "bool"}
_COMMENT = re.compile(
    r"// (\w+) - computed: (true|false), optional: (?:true|false), required: (true|false)"
)
_COLLECTION = re.compile(
    r"this\._\w+ = new (\w+?)(List|Map|OutputReference)\(this, \"(\w+)\"(?:, (true|false))?\)"
)
_SCALAR = re.compile(r"get(String|Number|Boolean)(List|Set|Map)?Attribute\('(\w+)'\)")
_UNTYPED = re.compile(r"this\.get(?:List|Any|AnyMap)Attribute\('(\w+)'\)")
_ARGUMENT = re.compile(
    r"^ +\"?(\w+)\"?: \{\s+value: .*?,\s+isBlock: (true|false),"
    r"\s+type: \"(\w+)\",\s+storageClassType: \"(\w+)\"",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An argument with a value, or a fact that is known afterwards (`computed`)."""

    type: object
    required: bool = False
    configurable: bool = True


@dataclass(slots=True)
class Block:
    """The inside of a resource or of a block in it."""

    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])
    blocks: dict[str, "Nested"] = field(default_factory=dict[str, "Nested"])


@dataclass(frozen=True, slots=True)
class Nested:
    """A block within a block: how often it may stand there."""

    block: Block
    is_set: bool = False
    single: bool = False
    required: bool = False


def read(bindings: Path, kind: str, type_name: str) -> Block:
    """The schema of one resource (kind `resource`) or data source (kind `data`)."""
    prefix = "data-aws-" if kind == "data" else ""
    folder = bindings / (prefix + type_name.removeprefix("aws_").replace("_", "-"))
    source = (folder / "index.js").read_text().split("//# sourceMappingURL")[0]
    found = re.search(
        r"^class (\w+) extends cdktf\.Terraform(?:Resource|DataSource)", source, re.MULTILINE
    )
    if found is None:
        raise LookupError(f"{folder} holds no {kind}")
    return _Reader(source).block(found[1], found[1])


class _Reader:
    """Reads the classes of one module; each stands for a resource or for a block."""

    def __init__(self, source: str) -> None:
        self._classes = dict(
            re.findall(r"^class (\w+) extends .*?\{\n(.*?)^\}", source, re.MULTILINE | re.DOTALL)
        )
        mappers = r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}"
        self._mappers = {
            name[0].upper() + name[1:]: body
            for name, body in re.findall(mappers, source, re.MULTILINE | re.DOTALL)
        }

    def block(self, class_name: str, struct: str) -> Block:
        body = self._classes[class_name]
        arguments = {
            name: (is_block == "true", shape, stored)
            for name, is_block, shape, stored in _ARGUMENT.findall(self._mappers.get(struct, body))
        }
        required = {name for name, _, needed in _COMMENT.findall(body) if needed == "true"}
        block = Block()
        for name, value in self._members(body):
            configurable = name in arguments
            if isinstance(value, _Inner) and configurable and arguments[name][0]:
                inner = self.block(f"{value.struct}OutputReference", value.struct)
                block.blocks[name] = Nested(inner, value.is_set, value.single, name in required)
            else:
                type_ = "dynamic" if isinstance(value, _Inner) else value
                if configurable and type_ == "dynamic":
                    type_ = _declared(arguments[name][1], arguments[name][2])
                block.attributes[name] = Attribute(type_, name in required, configurable)
        return block

    def _members(self, body: str) -> Iterator[tuple[str, object]]:
        for struct, form, name, is_set in _COLLECTION.findall(body):
            yield name, _Inner(struct, is_set == "true", form == "OutputReference")
        for scalar, collection, name in _SCALAR.findall(body):
            yield name, [collection.lower(), _TYPES[scalar]] if collection else _TYPES[scalar]
        for name in _UNTYPED.findall(body):
            yield name, "dynamic"


@dataclass(frozen=True, slots=True)
class _Inner:
    struct: str
    is_set: bool
    single: bool


def _declared(shape: str, stored: str) -> object:
    """The type of an argument that its getter does not tell, such as a list of strings."""
    found = re.fullmatch(r"(string|number|boolean)(List|Map)", stored)
    if found is None:
        return "dynamic"
    return [shape, "bool" if found[1] == "boolean" else found[1]]
