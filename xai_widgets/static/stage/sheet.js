// A sheet under a button: it opens and closes by mouse and keys, and closes when the reader goes elsewhere.

/**
 * @param {import("../shared/mount.js").Page} page
 * @param {{ node: HTMLElement, opener: HTMLElement, sheet: HTMLElement }} parts `node` holds both
 * @param {() => void} opened
 */
export function sheetUnder(page, { node, opener, sheet }, opened) {
  /** @param {boolean} back whether the button is focused again */
  const close = (back) => {
    if (sheet.hidden) return;
    sheet.hidden = true;
    opener.setAttribute("aria-expanded", "false");
    if (back) opener.focus();
  };
  const show = () => {
    sheet.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    opened();
  };
  page.listen(opener, "click", () => (sheet.hidden ? show() : close(true)));
  page.listen(sheet, "keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close(true);
  });
  page.listen(node, "focusout", (event) => { if (event.relatedTarget && !node.contains(event.relatedTarget)) close(false); });
  page.listen(document, "pointerdown", (event) => { if (!node.contains(event.target)) close(false); });
  return { show, close };
}
