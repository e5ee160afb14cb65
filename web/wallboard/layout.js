// Where tiles are, and how much of a list fits. Pure.

import { weight } from "./words.js";

/** Columns of a wide screen: a tile's width is in quarters. */
export const COLUMNS = 4;

/** Returns the columns and rows that a tile takes: a number of half the screen or more is a headline, two rows high. */
export function extent({ type, width }) {
  const columns = Math.min(COLUMNS, Math.max(1, width));
  return { columns, rows: type === "NUMBER" && columns > 1 ? 2 : 1 };
}

/**
 * Places tiles in rows, each at the first free place in reading order. Returns the areas, from 0, and for each row
 * whether it has a list or a chart, which need more height than numbers.
 */
export function place(tiles) {
  const taken = [];
  const isFree = (row, column, size) => {
    for (let r = row; r < row + size.rows; r += 1) {
      for (let c = column; c < column + size.columns; c += 1) if ((taken[r] || [])[c]) return false;
    }
    return true;
  };
  const areas = tiles.map((tile) => {
    const size = extent(tile);
    let [row, column] = [0, 0];
    while (!isFree(row, column, size)) {
      column += 1;
      if (column + size.columns > COLUMNS) [row, column] = [row + 1, 0];
    }
    for (let r = row; r < row + size.rows; r += 1) {
      taken[r] = taken[r] || [];
      for (let c = column; c < column + size.columns; c += 1) taken[r][c] = true;
    }
    return { row, column, ...size };
  });
  const isTall = taken.map((_, row) => tiles.some((tile, n) => tile.type !== "NUMBER" && areas[n].row === row));
  return { areas, isTall };
}

/** Returns the rows that fit, in their order. A row past a threshold is never the one that is left out for a better one. */
export function fitting(rows, count) {
  if (rows.length <= count) return rows;
  const weighed = rows.map((row, n) => ({ n, weight: weight(row.severity) }));
  const worst = weighed.sort((one, other) => other.weight - one.weight || one.n - other.n);
  const kept = new Set(worst.slice(0, Math.max(0, count)).map(({ n }) => n));
  return rows.filter((_, n) => kept.has(n));
}
