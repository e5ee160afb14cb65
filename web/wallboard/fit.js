// Sizes that depend on the screen: tiles fill a wide one without scrolling, so that nothing is out of sight on a wall.

import { place } from "./layout.js";

/** Returns true if the board fills the screen, false if it is read by scrolling. The style sheet has this condition too. */
export const isWide = () => matchMedia("(min-width: 1000px) and (min-height: 560px)").matches;

/** Puts the tiles of a page into their areas, and makes numbers as large as their areas allow. */
export function arrange(root, tiles) {
  const grid = root.querySelector(".tiles");
  if (!grid) return;
  const elements = [...grid.children];
  if (!isWide()) {
    grid.style.gridTemplateRows = "";
    for (const element of elements) element.style.gridArea = "";
    for (const value of grid.querySelectorAll(".value")) value.style.fontSize = "";
    return;
  }
  const { areas, isTall } = place(tiles);
  grid.style.gridTemplateRows = isTall.map((tall) => (tall ? "minmax(10rem, 2.3fr)" : "minmax(6.5rem, 1fr)")).join(" ");
  elements.forEach((element, n) => {
    const { row, column, rows, columns } = areas[n];
    element.style.gridArea = `${row + 1} / ${column + 1} / span ${rows} / span ${columns}`;
  });
  size(elements, areas);
}

/** Makes numbers of one extent equally large. A number has room for three digits, so that it does not jump at the tenth. */
function size(elements, areas) {
  const smallest = new Map();
  const found = elements.flatMap((element, n) => {
    const value = element.querySelector(".value");
    return value ? [{ value, box: value.parentElement, key: `${areas[n].columns}×${areas[n].rows}` }] : [];
  });
  for (const { value, box, key } of found) {
    const now = parseFloat(getComputedStyle(value).fontSize);
    const width = Math.max(1.9, value.getBoundingClientRect().width / now);
    const fits = Math.min(box.clientHeight * 0.92, box.clientWidth / width);
    smallest.set(key, Math.min(fits, smallest.get(key) || Infinity));
  }
  for (const { value, key } of found) value.style.fontSize = `${Math.max(16, Math.floor(smallest.get(key)))}px`;
}

/** Returns how many entries of each list fit, by the tile's place. Lists that are read by scrolling show all. */
export function rooms(root) {
  const found = {};
  for (const list of root.querySelectorAll("[data-list]")) {
    if (!isWide()) continue;
    const entry = list.querySelector(".entry");
    const head = list.querySelector("thead");
    const height = entry ? entry.getBoundingClientRect().height : 40;
    const free = list.clientHeight - (head ? head.getBoundingClientRect().height : 0);
    const columns = list.tagName === "UL" ? getComputedStyle(list).gridTemplateColumns.split(" ").length : 1;
    found[list.dataset.list] = Math.max(1, Math.floor((free + 1) / height)) * columns;
  }
  return found;
}

/** Returns the number of tiles that end below the screen. */
export function below(root) {
  if (!isWide()) return 0;
  const tiles = [...root.querySelectorAll(".tile")];
  return tiles.filter((tile) => tile.getBoundingClientRect().bottom > innerHeight).length;
}
