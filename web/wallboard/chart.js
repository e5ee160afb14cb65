// Charts. The library is loaded with the first one: boards without a chart need not wait for it.

const charts = new WeakMap();
let loading = null;

/** Loads the library and its style, which are beside this file. */
function library() {
  loading ||= new Promise((resolve, reject) => {
    const style = document.createElement("link");
    Object.assign(style, { rel: "stylesheet", href: new URL("uPlot.min.css", import.meta.url).href });
    const script = document.createElement("script");
    script.src = new URL("uPlot.iife.min.js", import.meta.url).href;
    script.addEventListener("load", () => resolve(globalThis.uPlot));
    script.addEventListener("error", () => {
      loading = null;
      script.remove();
      reject(new Error("the chart's file could not be loaded"));
    });
    document.head.append(style, script);
  });
  return loading;
}

/**
 * Draws a chart into an element. `data` are times in seconds and the lines; `units` and `labels` those of the lines; `look`
 * changes when colours or sizes did, and `key` when it is another chart.
 */
export async function draw(element, { key, data, labels, units, look, now }) {
  element.setAttribute("aria-label", description(labels, data));
  const uPlot = globalThis.uPlot || (await library().catch(() => null));
  if (!uPlot || !element.isConnected) return;
  const size = { width: Math.floor(element.clientWidth), height: Math.floor(element.clientHeight) };
  if (size.width < 50 || size.height < 40) return;
  const id = JSON.stringify([key, look, units]);
  let chart = charts.get(element);
  if (chart && chart.id !== id) {
    chart.plot.destroy();
    chart = null;
  }
  if (!chart) {
    chart = { id, window: [0, 1] };
    chart.plot = new uPlot(options(element, size, units, () => chart.window), data, element);
    charts.set(element, chart);
  }
  if (chart.plot.width !== size.width || chart.plot.height !== size.height) chart.plot.setSize(size);
  // At least a quarter of an hour, so that the first minutes are not stretched to a shape that means nothing.
  chart.window = [Math.min(data[0].length > 0 ? data[0][0] : now, now - 900), now];
  chart.plot.setData(data);
}

/** Returns what the lines show, for screen readers. */
function description(labels, data) {
  const of = (label, line) => {
    const values = line.filter((value) => value !== null);
    return values.length > 0 ? `${label} between ${Math.min(...values)} and ${Math.max(...values)}` : `${label} without values`;
  };
  return labels.map((label, n) => of(label, data[n + 1])).join("; ");
}

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

function options(element, size, units, span) {
  const { uPlot } = globalThis;
  const css = getComputedStyle(element);
  const color = (name) => css.getPropertyValue(name).trim();
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const axis = {
    stroke: color("--quiet"), font: `${Math.round(rem * 0.78)}px ${css.fontFamily}`,
    grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, border: { show: false }, gap: rem * 0.4,
  };
  const line = (_, n) => ({
    scale: "y", stroke: color(`--line-${n}`), width: n === 0 ? rem * 0.16 : rem * 0.09, points: { show: false },
    fill: n === 0 ? color("--area") : undefined, paths: uPlot.paths.stepped({ align: 1 }),
  });
  return {
    ...size, legend: { show: false }, cursor: { show: false }, padding: [rem * 0.5, rem * 1.2, 0, 0],
    scales: {
      x: { time: true, range: () => span() },
      // From zero, since a line that is cut off exaggerates.
      y: { range: (_, __, most) => [0, Math.max(4, (most || 0) * 1.1)] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: rem * 1.7, space: rem * 5, values: (_, splits) => splits.map((one) => TIME.format(one * 1_000)) },
      { ...axis, size: rem * 2.6, space: rem * 2.4, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000] },
    ],
    series: [{}, ...units.map(line)],
  };
}
