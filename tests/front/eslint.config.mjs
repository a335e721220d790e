// What the front end and its tests keep to; `make lint` runs this with tsc.
import js from "@eslint/js";
import globals from "globals";

const FRONT_END = "xai_widgets/static/**/*.js";

export default [
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  { ...js.configs.recommended, files: [FRONT_END, "tests/front/*.mjs"] },
  {
    files: [FRONT_END],
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: globals.browser },
    rules: {
      "max-lines": ["error", 350],
      "max-lines-per-function": ["error", { max: 60, skipComments: true }],
      "no-undef": "error",
      "no-unused-vars": "error",
      "no-restricted-globals": ["error", "name", "event", "status", "length", "top", "parent", "open", "find", "scroll", "origin"],
      "no-shadow": ["error", { builtinGlobals: false, hoist: "functions" }],
      "no-multi-str": "error", // the reader takes indents away
      "no-var": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      eqeqeq: "error",
    },
  },
  { files: ["tests/front/*.mjs"], languageOptions: { globals: globals.node }, rules: { "max-lines": ["error", 350] } },
];
