// The height of a list that stands alone, by keys.

// CSS pixels of a step, and those that are left at least.
const STEP = 40;
const LEAST = 80;

/** Alt and an arrow, without another key. @param {{ key: string, altKey: boolean, ctrlKey: boolean, metaKey: boolean, shiftKey: boolean }} key */
export const stepOfHeight = ({ key, altKey, ctrlKey, metaKey, shiftKey }) =>
  (!altKey || ctrlKey || metaKey || shiftKey ? 0 : { ArrowDown: STEP, ArrowUp: -STEP }[key] ?? 0);

/**
 * A list whose corner can be dragged is made higher and lower with Alt and the arrows too; one whose height the explorer
 * gives is not.
 * @param {import("./mount.js").Page} page
 * @param {HTMLElement} list
 */
export function heightByKeys(page, list) {
  page.listen(list, "keydown", (/** @type {KeyboardEvent} */ event) => {
    const step = stepOfHeight(event);
    if (!step || getComputedStyle(list).resize === "none") return;
    event.preventDefault();
    event.stopPropagation(); // the arrows would go from cell to cell
    list.style.height = `${Math.max(LEAST, list.offsetHeight + step)}px`;
  }, { capture: true });
}
