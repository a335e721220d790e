"""One view in a plain page, without JupyterLab: its own front end, a small model, and the real view behind it."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

from labharness import watched_page
from playwright.sync_api import Browser, Error, Locator, Page

# As of JupyterLab 4.6; a view takes every colour from these.
LIGHT = {"layout-color0": "#fff", "layout-color1": "#fff", "layout-color2": "#eee", "ui-font-color1": "rgba(0,0,0,.87)",
         "ui-font-color2": "rgba(0,0,0,.54)", "border-color2": "#e0e0e0", "brand-color1": "#1976d2"}  # fmt: skip
DARK = {"layout-color0": "#111", "layout-color1": "#212121", "layout-color2": "#424242", "border-color2": "#424242",
        "ui-font-color1": "rgba(255,255,255,1)", "ui-font-color2": "rgba(255,255,255,.7)",
        "brand-color1": "#2196f3"}  # fmt: skip

SCRIPT = """async ([widgets, shown]) => {
  const decode = (value) => {
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value)) return value.map(decode);
    if (!("base64" in value)) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, decode(v)]));
    const text = atob(value.base64), bytes = new Uint8Array(text.length + 3); // a DataView may start anywhere
    for (let i = 0; i < text.length; i++) bytes[i + 3] = text.charCodeAt(i);
    return new DataView(bytes.buffer, 3, text.length);
  };
  window.models = {};
  window.sent = [];
  const host = { getWidget: async (reference) => {
    const name = reference.replace("anywidget:", ""), widget = (await loaded[name]).default;
    const whole = typeof widget === "function" ? widget() : widget;
    await whole.initialize?.({ model: models[name] });
    return { render: async ({ el, signal }) => {
      const leave = await whole.render({ model: models[name], el, signal, host }); // a figure waits for plotly
      signal.addEventListener("abort", () => leave?.());
    } };
  } };
  const loaded = {};
  for (const [name, { esm, css, state }] of Object.entries(widgets)) {
    const values = decode(state), heard = {};
    document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
    loaded[name] = import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
    models[name] = {
      get: (key) => values[key],
      set: (key, value) => { values[key] = value; },
      save_changes: () => {
        for (const key of ["drag", "_js2py_pointsCallback"]) {
          if (values[key] && Object.keys(values[key]).length) {
            window.sent.push({ widget: name, key, value: values[key] });
            values[key] = null;
          }
        }
      },
      send: (content) => window.sent.push({ widget: name, content }),
      widget_manager: { get_model: async (id) => models[id] },
      on: (names, call) => names.split(" ").forEach((key) => (heard[key] ??= []).push(call)),
      off: (names, call) => (names ?? "").split(" ").forEach((key) => {
        heard[key] = (heard[key] ?? []).filter((other) => other !== call);
      }),
      receive: (changes) => {
        const fresh = decode(changes);
        Object.assign(values, fresh);
        for (const key of Object.keys(fresh)) (heard[`change:${key}`] ?? []).forEach((call) => call());
      },
      message: (content, buffers) => (heard["msg:custom"] ?? []).forEach((call) => call(content, buffers)),
      listeners: () => Object.entries(heard).flatMap(([name, calls]) => (name === "destroy" ? [] : calls)).length,
    };
  }
  window.ending = new AbortController();
  const view = await host.getWidget(shown);
  await view.render({ el: document.querySelector("main"), signal: window.ending.signal });
}"""


class ViewPage:
    """A view in a page. `deliver` brings what the page sent to the view, and what the view has become to the page."""

    def __init__(self, chromium: Browser, view: Any, *, width: int = 480, height: int = 700) -> None:
        self.watched = watched_page(chromium, (width, height))
        self.page: Page = self.watched.page
        self.widgets = {"view": view}
        if hasattr(view, "figure"):
            text = view.figure._text  # the page finds it by its id
            self.widgets |= {"figure": view.figure, text.model_id: text}
        self.known = {name: _state(widget) for name, widget in self.widgets.items()}
        # A grid, as in an explorer: what would not shrink sticks out.
        self.page.set_content('<body style="margin: 8px"><main style="display: grid"></main></body>')
        self.theme("light")
        sources = {
            name: {"esm": getattr(widget, "_esm", ""), "css": getattr(widget, "_css", ""), "state": self.known[name]}
            for name, widget in self.widgets.items()
        }
        self.page.evaluate(SCRIPT, [sources, "view"])
        self.frames()

    @property
    def root(self) -> Locator:
        return self.page.locator("main > .xw")

    def find(self, selector: str, **options: Any) -> Locator:
        return self.root.locator(selector, **options)

    def theme(self, name: str) -> None:
        """Turn `light` or `dark`, as JupyterLab does."""
        colours = LIGHT if name == "light" else DARK
        self.page.evaluate(
            """([light, colours]) => {
                const { style } = document.body;
                for (const [name, colour] of Object.entries(colours)) style.setProperty(`--jp-${name}`, colour);
                style.background = colours["layout-color0"];
                document.body.dataset.jpThemeLight = light; }""",
            [json.dumps(name == "light"), colours],
        )
        self.frames()

    def frames(self, count: int = 3) -> None:
        for _ in range(count):
            self.page.evaluate("() => new Promise(requestAnimationFrame)")

    def sent(self) -> list[dict[str, Any]]:
        """What the page sent since the last call."""
        self.frames(1)
        messages: list[dict[str, Any]] = self.page.evaluate("() => window.sent.splice(0)")
        return messages

    def asked(self) -> list[dict[str, Any]]:
        """What the page sent since the last call, but that it is there."""
        return [message for message in self.sent() if message.get("content", {}).get("kind") != "here"]

    def deliver(self, session: Any) -> list[dict[str, Any]]:
        """Hand over what was sent, wait for the answers, and show them."""
        messages = self.sent()
        for message in messages:
            comm = self.widgets[message["widget"]].comm
            if "content" in message:
                comm.click(**message["content"])
            else:
                comm.arrive(**{message["key"]: message["value"]})
        assert session.wait(60)
        if hasattr(self.widgets["view"], "settle"):  # a photo is encoded on a thread of its own
            assert self.widgets["view"].settle(60)
        self.refresh()
        return messages

    def refresh(self) -> None:
        """Show what the view has become."""
        for name, widget in self.widgets.items():
            state = _state(widget)
            changes = {key: value for key, value in state.items() if value != self.known[name].get(key)}
            self.known[name] = state
            if changes and name == "view":
                self.page.evaluate("([name, changes]) => window.models[name].receive(changes)", [name, changes])
        self.frames()

    def drag(self, locator: Locator, *places: tuple[float, float]) -> None:
        """Press at the first place and move through the others, in shares of the element's box."""
        box = locator.bounding_box()
        assert box is not None
        at = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in places]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        for place in at[1:]:
            self.page.mouse.move(*place, steps=6)
        self.page.mouse.up()

    def leave(self) -> None:
        """End the view; nothing may be left in the page, and nothing may have gone wrong."""
        self.page.evaluate("() => window.ending.abort()")
        self.frames(1)
        assert self.page.locator("main").inner_html() == ""
        assert self.page.evaluate("() => window.models.view.listeners()") == 0
        errors = self.watched.console_errors()
        assert errors == [], errors
        assert self.watched.requests_outside_loopback() == []
        with suppress(Error):
            self.page.context.close()


def _state(widget: Any) -> dict[str, Any]:
    state = widget.get_state()
    if "figure" in state:
        state["figure"] = "figure"
    left = {"_esm", "_css", "layout", "tabbable", "tooltip"}
    return {name: _plain(value) for name, value in state.items() if name not in left}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
