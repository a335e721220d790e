"""A view's ES modules as one module of text: no bundler, no network, and names as they are written.

What is understood: `import { a, b } from "./x.js";` at the start of a line, and `export` before a function, a class or
one constant; declarations of a module start a line. Everything else that has to do with modules is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

IMPORT = re.compile(r'^import\s*\{([^{}]*)\}\s*from\s*"([^"]*)";[ \t]*\n?', re.MULTILINE)
DEFINED = re.compile(r"^(export )?(?:async )?(?:function\*?|class|const|let|var) +([A-Za-z_$][\w$]*)", re.MULTILINE)
DEFAULT = "export default { render };"
UNKNOWN = re.compile(
    r"^import\b.*"  # with a new name, of a default, for its effect
    r"|^export (?!default\b|async function|function|class|const|let)(?:.*)"
    r"|^export default (?!\{ render \};$).*"
    r"|^.*\bimport\s*\(.*"
    r"|^(?:export )?(?:const|let|var)\s*[\[{].*"  # several names at once
    r"|^(?:export )?(?:const|let|var) [\w$]+(?: = [^=;(){}\[\]\"'`\n]*)?, ?[\w$]+ ?[=;,].*",
    re.MULTILINE,
)
NAME = re.compile(r"[A-Za-z_$][\w$]*")
QUOTE = re.compile(r"(?<!\\)`")
ANNOTATION = re.compile(r"/\*\* @(?:type|param|returns) [^*]*\*/ ?")


@dataclass(frozen=True)
class Module:
    """One file: what it takes from others, what it defines, and its text without imports, comments and indents."""

    name: str
    imports: tuple[tuple[str, tuple[str, ...]], ...]
    defined: tuple[str, ...]
    exported: frozenset[str]
    text: str


def flatten(entry: str, folder: Path) -> str:
    """The module `entry` of `folder` after all that it imports, each once; a comment line names each.

    Raises:
        ValueError: A file is missing, imports what is not exported, or is not understood; two define one name; a cycle.
    """
    modules = _gather(entry, folder)
    _check_names(modules)
    if DEFAULT not in modules[-1].text.splitlines():
        raise ValueError(f"{entry} must end with `{DEFAULT}`, as every view does.")
    return "".join(f"// --- {module.name}\n{module.text}" for module in modules)


def read_module(name: str, folder: Path) -> Module:
    """Read one file; `name` is its path from `folder`."""
    text = without_comments((folder / name).read_text(encoding="utf-8"), name)
    imports = []
    for names, path in IMPORT.findall(text):
        wanted = tuple(part.strip() for part in names.split(",") if part.strip())
        if not all(NAME.fullmatch(one) for one in wanted):
            raise ValueError(f"{name}: `import {{{names}}}` from {path} must list plain names, no `as`.")
        imports.append((_resolve(path, name, folder), wanted))
    text = IMPORT.sub("", text)
    if found := UNKNOWN.search(text):
        raise ValueError(
            f"{name}: `{found[0].strip()}` is not understood; modules may use `import {{ a, b }} from "
            '"./x.js";` and `export` before one function, class or constant.'
        )
    defined = DEFINED.findall(text)
    text = re.sub(r"^(?:export (?!default)| +)", "", text, flags=re.MULTILINE)  # no text runs over lines
    exported = frozenset(word for export, word in defined if export)
    return Module(name, tuple(imports), tuple(word for _, word in defined), exported, text)


def without_comments(text: str, name: str) -> str:
    """Leave out empty lines, those that hold a comment only, and types: a fifth of what would be sent."""
    kept, inside = [], False
    for line in text.splitlines():
        code = ANNOTATION.sub("", line).rstrip()
        bare = code.strip()
        if inside or bare.startswith("/*"):
            inside = "*/" not in bare
            if not inside and not bare.endswith("*/"):
                raise ValueError(f"{name}: a comment must end its line, got `{bare}`.")
        elif bare and not bare.startswith("//"):
            if len(QUOTE.findall(bare)) % 2:
                raise ValueError(f"{name}: a text in back quotes must end on its line, got `{bare}`.")
            kept.append(code)
    return "\n".join(kept) + "\n"


def _resolve(path: str, importer: str, folder: Path) -> str:
    there = (folder / importer).parent / path
    if not path.startswith(("./", "../")) or not there.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f'{importer} imports "{path}"; a path must start with ./ or ../ and stay in {folder.name}/.')
    if not there.is_file():
        raise ValueError(f'{importer} imports "{path}", and there is no such file.')
    return there.resolve().relative_to(folder.resolve()).as_posix()


def _gather(entry: str, folder: Path) -> list[Module]:
    """All modules that are needed, each after those that it imports."""
    found: dict[str, Module] = {}
    done: list[Module] = []

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            raise ValueError(f"Modules import each other: {' → '.join((*way[way.index(name) :], name))}.")
        if name in found:
            return
        module = read_module(name, folder)
        for other, wanted in module.imports:
            visit(other, (*way, name))
            exported = found[other].exported
            for missing in (one for one in wanted if one not in exported):
                known = ", ".join(sorted(exported)) or "nothing"
                raise ValueError(f"{name} imports {missing} from {other}, which exports {known}.")
        found[name] = module
        done.append(module)

    visit(entry, ())
    return done


def _check_names(modules: list[Module]) -> None:
    owners: dict[str, str] = {}
    for module in modules:
        for name in module.defined:
            if name in owners:
                raise ValueError(f"{owners[name]} and {module.name} both define {name} at top level; rename one.")
            owners[name] = module.name
