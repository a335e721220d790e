// Whose the wheel is, where a long list stands in a longer page.

/**
 * The wheel moves a list only once the pointer has moved over it: a page that scrolls under a resting pointer goes on, and
 * is not caught by each list that comes by. At the end of the list the wheel is the page's again, as browsers do it. The
 * style sheet hides the overflow of `.xw-resting`, so that browsers scroll what is around it, as smoothly as ever.
 * @param {import("./mount.js").Page} page
 * @param {HTMLElement} list
 */
export function wheelOnceMoved(page, list) {
  list.classList.add("xw-resting");
  page.listen(list, "pointermove", (/** @type {PointerEvent} */ event) => {
    if (event.movementX || event.movementY) list.classList.remove("xw-resting");
  });
  page.listen(list, "pointerleave", () => list.classList.add("xw-resting"));
}
