"""The front end: modules that Node tests, and the reader that makes one text of a view's modules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nodejs import node, run

from xai_widgets import views
from xai_widgets.static import FOLDER, front_end
from xai_widgets.static.flatten import flatten
from xai_widgets.views._workspace import Workspace

FRONT = Path(__file__).parent / "front"
VIEWS = ("contrast_picker", "gallery", "impact_plane", "map_bank", "metric_radar", "stage", "status_bar", "workspace")
MOST_SENT = 272_000  # bytes of front end of all views together; each lists its own keys
VIEW = "function render() {}\nexport default { render };\n"


def folder_of(tmp_path: Path, files: dict[str, str]) -> Path:
    """A folder `static` with these files."""
    for name, text in files.items():
        path = tmp_path / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "static"


def test_pure_functions_in_node() -> None:
    files = sorted(map(str, FRONT.glob("*.test.mjs")))
    assert files, f"there are no *.test.mjs in {FRONT}"
    printed = node("--test", "--test-reporter=tap", *files)
    assert "# pass 0\n" not in printed, "no test ran"


def test_every_view_has_a_folder() -> None:
    folders = {path.parent.name for path in FOLDER.glob("*/view.js")}
    assert folders == set(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_one_module_that_node_reads(view: str) -> None:
    script = """import { readFileSync } from "node:fs";
        const text = readFileSync(0, "utf8");
        const module = await import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));
        console.log(JSON.stringify([Object.keys(module), typeof module.default.render, module.default.render.name]));"""
    found = json.loads(node("--input-type=module", "--eval", script, text=front_end(view)))
    assert found == [["default"], "function", "render"]


def test_all_views_together_are_small() -> None:
    kinds = [Workspace, *(getattr(views, name) for name in views.__all__)]
    sent = {kind.__name__: len(str(kind._esm).encode()) + len(str(kind._css).encode()) for kind in kinds}
    assert len(sent) == len(VIEWS)
    assert sum(sent.values()) < MOST_SENT, sent


def test_modules_stand_once_and_after_what_they_import(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        {
            "a/view.js": f'import {{ two }} from "./two.js";\nimport {{ one }} from "../shared/one.js";\n{VIEW}',
            "a/two.js": '/** 2.\n * More. */\nimport {\n  one,\n} from "../shared/one.js";\n\nexport const two = 2;\n',
            "shared/one.js": "// Alone.\nexport const one = /** @type {1} */ (1); // more\nlet own = `// ${one}`;\n"
            "/** @type {A} */ (own).b = 1;\n",
        },
    )
    assert flatten("a/view.js", folder) == (
        "// --- shared/one.js\nconst one = (1); // more\nlet own = `// ${one}`;\n(own).b = 1;\n"
        f"// --- a/two.js\nconst two = 2;\n// --- a/view.js\n{VIEW}"
    )


def test_stack_traces_keep_names(tmp_path: Path) -> None:
    deep = 'export async function deep() { throw new Error("here"); }\n'
    files = {"a/view.js": f'import {{ deep }} from "./deep.js";\n{VIEW}await deep();\n', "a/deep.js": deep}
    text = flatten("a/view.js", folder_of(tmp_path, files))
    done = run("--input-type=module", text=text)
    assert done.returncode != 0
    assert "at deep (" in done.stderr


ONE = {"shared/one.js": "export const one = 1;\n"}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            {"a/view.js": 'import { one } from "../shared/one.js";\nfunction one() {}\n' + VIEW, **ONE},
            "shared/one.js and a/view.js both define one at top level; rename one.",
        ),
        (
            {
                "a/view.js": 'import { b } from "./b.js";\n' + VIEW,
                "a/b.js": 'import { c } from "./c.js";\nexport const b = 1;\n',
                "a/c.js": 'import { b } from "./b.js";\nexport const c = 1;\n',
            },
            "Modules import each other: a/b.js → a/c.js → a/b.js.",
        ),
        (
            {"a/view.js": 'import { two } from "../shared/one.js";\n' + VIEW, **ONE},
            "a/view.js imports two from shared/one.js, which exports one.",
        ),
        (
            {"a/view.js": 'import { two } from "../shared/two.js";\n' + VIEW},
            'a/view.js imports "../shared/two.js", and there is no such file.',
        ),
        ({"a/view.js": 'import { x } from "d3";\n' + VIEW}, 'a/view.js imports "d3"; a path must start with ./ or ../'),
        ({"a/view.js": 'import { x } from "../../x.js";\n' + VIEW}, "stay in static/"),
        (
            {"a/view.js": 'import * as one from "../shared/one.js";\n' + VIEW, **ONE},
            "a/view.js: `import * as one from ",
        ),
        ({"a/view.js": 'import { one as two } from "../shared/one.js";\n' + VIEW, **ONE}, "plain names, no `as`"),
        ({"a/view.js": 'import "../shared/one.js";\n' + VIEW, **ONE}, "is not understood"),
        ({"a/view.js": 'const later = () => import("../shared/one.js");\n' + VIEW, **ONE}, "is not understood"),
        ({"a/view.js": 'export { one } from "../shared/one.js";\n' + VIEW, **ONE}, "`export { one } from "),
        ({"a/view.js": "export * from '../shared/one.js';\n" + VIEW, **ONE}, "`export * from "),
        ({"a/view.js": "const [a, b] = [1, 2];\n" + VIEW}, "`const [a, b] = [1, 2];` is not understood"),
        ({"a/view.js": "let a = 1, b = 2;\n" + VIEW}, "`let a = 1, b = 2;` is not understood"),
        ({"a/view.js": "let a, b;\n" + VIEW}, "`let a, b;` is not understood"),
        ({"a/view.js": "const a = `\n// text`;\n" + VIEW}, "a text in back quotes must end on its line"),
        ({"a/view.js": "/* a */ const a = 1;\n" + VIEW}, "a comment must end its line"),
        ({"a/view.js": "export const render = 1;\n"}, "a/view.js must end with `export default { render };`"),
        ({"a/view.js": "export default function render() {}\n"}, "is not understood"),
    ],
)
def test_what_is_not_understood_is_an_error_that_names_the_files(
    tmp_path: Path, files: dict[str, str], says: str
) -> None:
    with pytest.raises(ValueError) as caught:
        flatten("a/view.js", folder_of(tmp_path, files))
    assert says in str(caught.value)
