"""Writes src/ambience/client/models.py: what /v1 answers, as dataclasses, from its description.

With `--check` it compares them.
"""

import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ambience.serve.http.app import create_app
from ambience.settings import Settings

MODELS = Path(__file__).parents[1] / "src" / "ambience" / "client" / "models.py"

HEAD = '''\
"""What /v1 answers, as dataclasses; written by `make docs` from the description of the interface.

Change the schemas of the server, not this file. A newer server may say more, which is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

'''

NAMES = {
    "SearchAnswer": "Answer",
    "FeatureStateSchema": "FeatureStatus",
    "ImageList": "ImagePage",
    "AddedSchema": "AddedImage",
}
"""Names of classes that are not those of the schemas without “Schema”."""

NOT_ANSWERED = frozenset(
    {"GeometryDocument", "HitDocument", "PlacedDocument", "RankingDocument", "ServiceDocument"}
)
"""Schemas of what services of kinds say to each other."""

WIDTH = 106


def described() -> dict[str, Any]:
    """The description of the interface, of a server without a library."""
    library = SimpleNamespace(kinds={}, specs={}, annotators={}, settings=Settings())
    document: dict[str, Any] = create_app(library).openapi()
    return document


def class_name(schema: str) -> str:
    """Of the dataclass of a schema."""
    return NAMES.get(schema, schema.removesuffix("Schema"))


def annotation_of(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """The type of a property, as Python writes it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        named = schemas[name]
        return _literal(named["enum"]) if "enum" in named else class_name(name)
    if "anyOf" in schema:
        return " | ".join(annotation_of(each, schemas) for each in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return _literal(schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema:
            inner = ", ".join(annotation_of(each, schemas) for each in schema["prefixItems"])
            return f"tuple[{inner}]"
        return f"list[{annotation_of(schema['items'], schemas)}]"
    if kind == "object":
        values = schema.get("additionalProperties", {})
        return f"dict[str, {annotation_of(values, schemas) if values else 'Any'}]"
    if schema.get("format") == "date-time":
        return "datetime"
    return {"integer": "int", "number": "float", "boolean": "bool", "null": "None", "string": "str"}.get(
        str(kind), "Any"
    )


def _literal(values: list[Any]) -> str:
    return f"Literal[{', '.join(map(repr, values))}]".replace("'", '"')


def _default(prop: dict[str, Any], annotation: str) -> str:
    if "default" not in prop and annotation.startswith("list["):
        return "field(default_factory=list)"
    if "default" not in prop and annotation.startswith("dict["):
        return "field(default_factory=dict)"
    value = prop.get("default")
    return "field(default_factory=list)" if value == [] else repr(value).replace("'", '"')


def _class(name: str, schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    props = sorted(schema["properties"].items(), key=lambda row: row[0] not in required)
    lines = ["@dataclass(frozen=True, slots=True)", f"class {class_name(name)}:"]
    text = schema.get("description", class_name(name)).partition("\n")[0]
    documented = [(each, prop["description"]) for each, prop in props if "description" in prop]
    lines += [f'    """{text}', ""] if documented else [f'    """{text}"""', ""]
    if documented:
        lines.append("    Attributes:")
        for each, said in documented:
            wrapped = textwrap.wrap(
                f"{each}: {said}", WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12
            )
            lines += wrapped
        lines += ['    """', ""]
    for each, prop in props:
        annotation = annotation_of(prop, schemas)
        default = "" if each in required else f" = {_default(prop, annotation)}"
        lines.append(f"    {each}: {annotation}{default}")
    return "\n".join(lines) + "\n"


def models_text() -> str:
    """The whole module, formatted."""
    schemas = described()["components"]["schemas"]
    written = {
        name: schema
        for name, schema in schemas.items()
        if schema.get("type") == "object" and name not in NOT_ANSWERED
    }
    table = "".join(f'    "{name}": {class_name(name)},\n' for name in sorted(written))
    text = HEAD + "\n\n".join(_class(name, schema, schemas) for name, schema in sorted(written.items()))
    text += f'\n\nSCHEMAS: dict[str, type[Any]] = {{\n{table}}}\n"""Schema of the server → class."""\n'
    formatted = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "format", "--stdin-filename", str(MODELS), "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return formatted.stdout


def main() -> int:
    """Writes or compares; 1 where the file is out of date."""
    text = models_text()
    if MODELS.is_file() and MODELS.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{MODELS.name} is out of date; run tools/write_client.py (make docs)", file=sys.stderr)
        return 1
    MODELS.write_text(text, encoding="utf-8")
    print("wrote src/ambience/client/models.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
