// One metric over time. Time runs left to right in both languages; gaps stay gaps; points that are suspect or failed carry a shape.

import uPlot from "./vendor/uPlot.esm.js";
import { get } from "./api.js";
import { el, glyph, isolate } from "./dom.js";
import { metricAbout, reasonText } from "./devices.js";
import { dayOf, moment, number, pick, t } from "./i18n.js";
import { unitSign } from "./units.js";

const HOUR_MS = 3_600_000;
export const RANGES = {
  "1h": { spanMs: HOUR_MS, window: null, stepMs: 0, note: "chart.raw" },
  "24h": { spanMs: 24 * HOUR_MS, window: "1m", stepMs: 60_000, note: "chart.mean_1m" },
  "7d": { spanMs: 7 * 24 * HOUR_MS, window: "1h", stepMs: HOUR_MS, note: "chart.mean_1h" },
};
const HEIGHT = 300;
const POINT = 4;

export class Chart {
  constructor({ title, readout, plot, legend }) {
    Object.assign(this, { title, readout, plot, legend });
    this.asked = 0;
    this.chart = null;
    plot.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.chart?.setSize(this.#size())).observe(plot);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    document.fonts.ready.then(() => this.draw());
  }

  /** Loads and shows a metric; an answer that was overtaken by another choice is dropped. */
  async load(pilot, device, metric, range, nowMs) {
    const mine = ++this.asked;
    const { spanMs, window } = RANGES[range];
    const query = { pilot: pilot.id, device: device.device, metric, from: nowMs - spanMs, to: nowMs + 60_000, window };
    const columns = await get(window ? "/aggregates" : "/readings", query);
    if (mine !== this.asked) return;
    const points = window ? windowPoints(columns) : readingPoints(columns);
    this.shown = { pilot, device, metric, range, points, fromMs: nowMs - spanMs, toMs: nowMs };
    this.draw();
  }

  /** Adds live readings of the shown metric; a coarser range waits for its next load. */
  take(pilotId, items, nowMs) {
    const shown = this.shown;
    if (!shown || shown.pilot.id !== pilotId || RANGES[shown.range].window) return;
    const mine = items.filter((item) => item.device === shown.device.device && item.metric === shown.metric);
    const newer = mine.filter((item) => item.time_ms > (shown.points.at(-1)?.ms ?? -Infinity));
    if (!newer.length) return;
    shown.points.push(...newer.map((item) => readingPoint(item.time_ms, item.value, item.flag, item.reasons)));
    shown.fromMs = nowMs - RANGES[shown.range].spanMs;
    shown.toMs = nowMs;
    shown.points = shown.points.filter((point) => point.ms >= shown.fromMs);
    this.draw({ keepReadout: true });
  }

  draw({ keepReadout = false } = {}) {
    const shown = this.shown;
    const at = keepReadout ? this.chart?.cursor.idx : null;
    this.chart?.destroy();
    this.chart = null;
    if (!shown) return this.#say(this.title, t("chart.choose"));
    shown.about = metricAbout(shown.pilot, shown.device, shown.metric);
    this.#head(shown);
    this.rows = withGaps(shown.points, gapMs(shown));
    const seconds = this.rows.map((point) => point.ms / 1000);
    const data = [seconds, ...["low", "high", "line"].map((name) => this.rows.map((point) => point[name] ?? null))];
    this.chart = new uPlot(this.#options(shown), data, this.plot);
    if (at !== null && at !== undefined) this.#moveTo(at);
  }

  #head({ pilot, device, about, points, range }) {
    const sign = unitSign(about.unit);
    const unit = sign ? isolate(sign, { class: "unit" }) : null;
    this.title.replaceChildren(about.title, " ", unit ?? "", el("span", { class: "of", text: pick(device.name) }));
    this.#rest(points, about);
    const entries = [["line", t(RANGES[range].note)]];
    if (this.#seesOutside(points, about)) entries.push(["outside", t("chart.outside")]);
    if (points.some((point) => point.suspect)) entries.push(["flag-3", t("chart.suspect")]);
    if (points.some((point) => point.failed)) entries.push(["flag-4", t("chart.failed")]);
    this.legend.replaceChildren(...entries.map(([mark, text]) => el("li", {}, legendMark(mark), text)));
  }

  #rest(points, about) {
    this.resting = points.length ? t("chart.readings", { n: points.reduce((sum, point) => sum + point.n, 0) }) : t("chart.empty");
    const values = points.flatMap((point) => [point.low ?? point.line, point.high ?? point.line]).filter((value) => value !== null && value !== undefined);
    if (values.length) {
      const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
      this.resting += ` · ${t("chart.low_high", { low: number(low, about.decimals), high: number(high, about.decimals) })}`;
    }
    this.#say(this.readout, this.resting);
  }

  #seesOutside(points, { plausible_range: range }) {
    return range !== null && points.some((point) => (point.low ?? point.line) < range[0] || (point.high ?? point.line) > range[1]);
  }

  #say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  #size() {
    return { width: Math.max(240, this.plot.clientWidth), height: HEIGHT };
  }

  #options(shown) {
    const css = getComputedStyle(this.plot);
    const colour = (name) => css.getPropertyValue(name).trim();
    const font = `12px ${css.fontFamily}`;
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--grid"), width: 1 }, font };
    const zone = shown.pilot.timezone;
    const ink = colour("--series");
    return {
      ...this.#size(),
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 9 } },
      scales: { x: { time: true, range: [shown.fromMs / 1000, shown.toMs / 1000] }, y: { range: (_, low, high) => padded(low, high, shown.about) } },
      axes: [
        { ...axis, space: 72, values: (_, splits, __, ___, step) => splits.map((at) => tickLabel(at, step, zone)) },
        { ...axis, size: 56, values: (_, splits, __, ___, step) => splits.map((at) => number(at, decimalsOf(step))) },
      ],
      series: [
        {},
        { stroke: "transparent", points: { show: false } },
        { stroke: "transparent", points: { show: false } },
        { stroke: ink, width: 1.75, spanGaps: false, points: { show: shown.points.length < 90, size: 4, fill: ink } },
      ],
      bands: [{ series: [2, 1], fill: colour("--spread") }],
      hooks: {
        drawClear: [(u) => drawOutside(u, shown.about.plausible_range, colour("--outside"))],
        draw: [(u) => drawMarks(u, this.rows, colour("--attention"))],
        setCursor: [(u) => this.#read(u.cursor.idx)],
      },
    };
  }

  #read(index) {
    const point = index === null || index === undefined ? null : this.rows[index];
    if (!point || point.gap) return this.#say(this.readout, this.resting);
    const { about, pilot, range } = this.shown;
    const value = point.line ?? point.failedValue;
    const figure = value === null || value === undefined ? "–" : `${number(value, about.decimals)} ${unitSign(about.unit)}`.trim();
    const parts = [moment(point.ms, pilot.timezone, { seconds: range === "1h", day: range !== "1h" }), figure];
    if (point.low < point.high) parts.push(t("chart.low_high", { low: number(point.low, about.decimals), high: number(point.high, about.decimals) }));
    parts.push(point.flags.map((flag) => t(`flag.${flag}`)).join(" + "), point.reasons.map(reasonText).join(", "));
    const shown = parts.filter(Boolean).flatMap((part, at) => (at ? [" · ", el("bdi", { text: part })] : [el("bdi", { text: part })]));
    return this.readout.replaceChildren(...(point.flags.some((flag) => flag > 2) ? [glyph(`flag-${Math.max(...point.flags)}`), ...shown] : shown));
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || !this.chart || !this.rows.length) return;
    event.preventDefault();
    const real = this.rows.flatMap((point, index) => (point.gap ? [] : [index]));
    const from = real.indexOf(this.chart.cursor.idx ?? -1);
    const begin = from < 0 ? (step === 1 ? -1 : real.length) : from;
    const to = Math.min(real.length - 1, Math.max(0, begin + step));
    this.#moveTo(real[to]);
  }

  #moveTo(index) {
    const point = this.rows[index];
    if (!point) return;
    const left = this.chart.valToPos(point.ms / 1000, "x");
    this.chart.setCursor({ left, top: 0 });
    this.#read(index);
  }
}

function readingPoint(ms, value, flag, reasons) {
  const used = flag <= 3;
  return { ms, line: used ? value : null, failedValue: used ? null : value, suspect: flag === 3, failed: flag === 4, flags: [flag], reasons, n: 1 };
}

const readingPoints = (columns) => columns.time_ms.map((ms, i) => readingPoint(ms, columns.value[i], columns.flag[i], columns.reasons[i]));

function windowPoints(columns) {
  return columns.start_ms.map((ms, i) => {
    const counts = { 1: columns.good[i], 3: columns.suspect[i], 4: columns.fail[i], 9: columns.missing[i] };
    const flags = Object.keys(counts).filter((flag) => counts[flag]).map(Number);
    const n = flags.reduce((sum, flag) => sum + counts[flag], 0);
    return { ms, line: columns.mean[i], low: columns.min[i], high: columns.max[i], suspect: counts[3] > 0, failed: counts[4] > 0, flags, reasons: [], n };
  });
}

/** Longest silence that still counts as a line: two and a half reporting intervals. */
function gapMs({ pilot, device, range }) {
  const intervalMs = pilot.kinds[device.kind]?.interval_ms ?? 60_000;
  return Math.max(2.5 * intervalMs, 1.5 * RANGES[range].stepMs);
}

function withGaps(points, longestMs) {
  return points.flatMap((point, i) => {
    const before = points[i - 1];
    return before && point.ms - before.ms > longestMs ? [{ ms: (before.ms + point.ms) / 2, gap: true, flags: [], reasons: [] }, point] : [point];
  });
}

/** Room above and below; a flat line gets a span that its decimals can tell apart. */
function padded(low, high, about) {
  if (low === null || high === null) return about.plausible_range ?? [0, 1];
  const least = 4 * 10 ** -about.decimals;
  const room = Math.max((high - low) * 0.12, (least - (high - low)) / 2, 0);
  return [low - room, high + room];
}

const decimalsOf = (step) => Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));

/** The day at midnight, else the clock; isolated in the page's direction, because the canvas runs left to right. */
function tickLabel(seconds, step, zone) {
  const text = step >= 86_400 || isMidnight(seconds, zone) ? dayOf(seconds * 1000, zone) : moment(seconds * 1000, zone, { day: false });
  return document.documentElement.dir === "rtl" ? `\u2067${text}\u2069` : text;
}

function isMidnight(seconds, zone) {
  const local = uPlot.tzDate(new Date(seconds * 1000), zone);
  return local.getHours() === 0 && local.getMinutes() === 0;
}

/** Shades what lies outside the plausible range, where that is in sight. */
function drawOutside(u, range, fill) {
  if (!range) return;
  const { left, top, width, height } = u.bbox;
  const inside = (value) => Math.min(top + height, Math.max(top, u.valToPos(value, "y", true)));
  const [low, high] = range.map(inside);
  u.ctx.fillStyle = fill;
  u.ctx.fillRect(left, top, width, high - top);
  u.ctx.fillRect(left, low, width, top + height - low);
}

/** Hollow squares for suspect, crosses for failed; a failed value outside the scale stands at its edge. */
function drawMarks(u, rows, stroke) {
  const { ctx, bbox } = u;
  const size = POINT * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 1.75 * devicePixelRatio;
  for (const point of rows) {
    if (!point.suspect && !point.failed) continue;
    const x = u.valToPos(point.ms / 1000, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const value = point.line ?? point.failedValue;
    const wanted = value === null || value === undefined ? bbox.top + bbox.height : u.valToPos(value, "y", true);
    const y = Math.min(bbox.top + bbox.height - size, Math.max(bbox.top + size, wanted));
    ctx.beginPath();
    if (point.failed) cross(ctx, x, y, size);
    else ctx.rect(x - size, y - size, 2 * size, 2 * size);
    ctx.stroke();
  }
  ctx.restore();
}

function cross(ctx, x, y, size) {
  ctx.moveTo(x - size, y - size);
  ctx.lineTo(x + size, y + size);
  ctx.moveTo(x + size, y - size);
  ctx.lineTo(x - size, y + size);
}

function legendMark(mark) {
  return mark.startsWith("flag") ? glyph(mark) : el("span", { class: `swatch ${mark}`, "aria-hidden": "true" });
}
