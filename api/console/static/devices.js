// The devices of one district: state, and per metric value, place in the plausible range, age and quality.
// Rows are built once and then only change their texts, so that nothing jumps and the focus stays.

import { el, glyph, isolate, setText, svg } from "./dom.js";
import { age, moment, number, pick, t } from "./i18n.js";
import { unitSign } from "./units.js";

const COLUMNS = ["metric", "range", "value", "age", "quality"];
const BAR_WIDTH = 100;
const BAND = { from: 25, to: 75 };

export class DeviceList {
  constructor(root, { onChoose }) {
    this.root = root;
    this.onChoose = onChoose;
    this.rows = new Map();
    this.cards = new Map();
    this.offsetMs = 0;
  }

  /** Shows a district's devices anew: after another district, another language, or a device that was not there. */
  show(pilot, devices) {
    this.pilot = pilot;
    this.devices = new Map(devices.map((device) => [device.device, device]));
    this.rows.clear();
    this.cards.clear();
    const parts = this.#kinds().map(([kind, members]) => this.#kindPart(kind, members));
    this.root.replaceChildren(...(parts.length ? parts : [el("p", { class: "hint", text: t("devices.none") })]));
    this.refresh();
  }

  /** Takes newer states and values of the same devices. */
  update(devices) {
    const same = devices.length === this.devices.size && devices.every((device) => this.devices.has(device.device));
    if (!same || devices.some((device) => this.#newMetric(device))) return this.show(this.pilot, devices);
    for (const device of devices) this.devices.set(device.device, device);
    return this.refresh();
  }

  /** Takes values from the live stream. */
  take(items) {
    for (const item of items) {
      const device = this.devices.get(item.device);
      if (!device) continue;
      const known = device.latest[item.metric];
      if (known && known.time_ms > item.time_ms) continue;
      device.latest[item.metric] = item;
      if (device.state !== "offline" || item.received_ms > (device.last_seen_ms ?? 0)) device.state = "online";
      device.last_seen_ms = item.received_ms;
      if (this.rows.has(rowKey(item.device, item.metric))) this.#refreshDevice(device);
      else this.show(this.pilot, [...this.devices.values()]);
    }
  }

  /** Brings ages and states up to the present. */
  refresh() {
    for (const device of this.devices?.values() ?? []) this.#refreshDevice(device);
  }

  /** How many devices do not report, by what is known now. */
  silent() {
    return [...this.devices.values()].filter((device) => this.#stateNow(device) !== "online").length;
  }

  mark(device, metric) {
    for (const [key, row] of this.rows) row.button.setAttribute("aria-pressed", String(key === rowKey(device, metric)));
  }

  nowMs() {
    return Date.now() + this.offsetMs;
  }

  #newMetric(device) {
    return Object.keys(device.latest).some((metric) => !this.rows.has(rowKey(device.device, metric)));
  }

  #kinds() {
    const byKind = Map.groupBy([...this.devices.values()], (device) => device.kind);
    return [...byKind].sort(([a], [b]) => order(this.pilot, a) - order(this.pilot, b));
  }

  #kindPart(kind, members) {
    const name = kind === null ? t("devices.unregistered") : pick(this.pilot.kinds[kind].name);
    const heading = el("h3", {}, name, " ", el("span", { class: "count", text: t("devices.count", { n: members.length }) }));
    return el("section", { class: "kind" }, heading, el("div", { class: "cards" }, ...members.map((device) => this.#card(device))));
  }

  #card(device) {
    const state = el("span", { class: "state" });
    const title = el("h4", {}, el("span", { class: "device-name", text: pick(device.name) }), isolate(device.device, { class: "id" }));
    const metrics = this.#metricNames(device);
    const body = metrics.length
      ? el("table", {}, columns(), this.#head(), el("tbody", {}, ...metrics.map((metric) => this.#row(device, metric))))
      : el("p", { class: "hint", text: t("devices.events_only") });
    const card = el("article", { class: "card" }, el("div", { class: "card-head" }, title, state), body);
    this.cards.set(device.device, { card, state });
    return card;
  }

  #head() {
    const names = COLUMNS.map((name) => el("th", { scope: "col", text: t(`column.${name}`) }));
    return el("thead", { class: "visually-hidden" }, el("tr", {}, ...names));
  }

  #metricNames(device) {
    const declared = Object.keys(this.pilot.kinds[device.kind]?.metrics ?? {});
    return [...declared, ...Object.keys(device.latest).filter((metric) => !declared.includes(metric)).sort()];
  }

  #row(device, metric) {
    const about = metricAbout(this.pilot, device, metric);
    const button = el("button", { type: "button", class: "metric", text: about.title, "aria-pressed": "false" });
    button.addEventListener("click", () => this.onChoose(device, metric));
    const bar = about.plausible_range ? rangeBar() : null;
    const value = isolate("", { class: "number" });
    const barCell = el("td", { class: "bar-cell" }, bar?.root);
    const cells = { age: el("td", { class: "age" }), quality: el("td", { class: "quality" }) };
    const unit = isolate(unitSign(about.unit), { class: "unit" });
    this.rows.set(rowKey(device.device, metric), { about, button, bar, value, ...cells });
    return el("tr", {}, el("th", { scope: "row" }, button), barCell, el("td", { class: "value" }, value, " ", unit), cells.age, cells.quality);
  }

  #refreshDevice(device) {
    const { card, state } = this.cards.get(device.device);
    const now = this.#stateNow(device);
    if (card.dataset.state !== now || !state.hasChildNodes()) {
      card.dataset.state = now;
      state.replaceChildren(glyph(`state-${now}`), t(`state.${now}`));
    }
    for (const metric of this.#metricNames(device)) this.#refreshRow(device, metric, now);
  }

  #refreshRow(device, metric, state) {
    const row = this.rows.get(rowKey(device.device, metric));
    const latest = device.latest[metric];
    setText(row.value, latest && latest.value !== null ? number(latest.value, row.about.decimals) : "–");
    row.value.closest("tr").dataset.unknown = String(!latest || this.#tooOld(device, latest) || state !== "online");
    if (row.bar) moveBar(row.bar, latest?.value ?? null, row.about);
    if (!latest) return;
    const unknown = row.value.closest("tr").dataset.unknown === "true";
    const when = moment(latest.time_ms, this.pilot.timezone);
    setText(row.age, unknown ? t("as_of", { time: when }) : age(Math.max(0, this.nowMs() - latest.time_ms)));
    if (row.quality.dataset.flag !== String(latest.flag)) {
      row.quality.dataset.flag = latest.flag;
      row.quality.replaceChildren(glyph(`flag-${latest.flag}`), el("span", { text: t(`flag.${latest.flag}`) }));
    }
    row.quality.title = latest.reasons.map(reasonText).join(", ");
  }

  #stateNow(device) {
    if (device.state !== "online") return device.state;
    const newest = Object.values(device.latest).reduce((most, latest) => Math.max(most, latest.time_ms), -Infinity);
    return newest !== -Infinity && this.nowMs() - newest > this.#staleAfterMs(device) ? "stale" : "online";
  }

  #tooOld(device, latest) {
    return this.nowMs() - latest.time_ms > this.#staleAfterMs(device);
  }

  #staleAfterMs(device) {
    return this.pilot.kinds[device.kind]?.stale_after_ms ?? 900_000;
  }
}

const columns = () => el("colgroup", {}, ...COLUMNS.map((name) => el("col", { class: `column-${name}` })));
const rowKey = (device, metric) => `${device}/${metric}`;
const order = (pilot, kind) => (kind === null ? Infinity : Object.keys(pilot.kinds).indexOf(kind));

export const reasonText = (reason) => t(`reason.${reason}`);

/** What the registry says of a metric; one that nobody declares shows under its own id. */
export function metricAbout(pilot, device, metric) {
  const declared = pilot.kinds[device.kind]?.metrics[metric];
  if (!declared) return { title: metric, unit: "", decimals: 2, plausible_range: null };
  return { ...declared, title: pick(declared.name) };
}

function rangeBar() {
  const tick = svg("rect", { class: "tick", x: 0, y: 1, width: 3, height: 10 });
  const root = svg(
    "svg",
    { class: "bar", viewBox: `0 0 ${BAR_WIDTH} 12`, preserveAspectRatio: "none", role: "img" },
    svg("rect", { class: "track", x: 0, y: 5, width: BAR_WIDTH, height: 2 }),
    svg("rect", { class: "band", x: BAND.from, y: 3, width: BAND.to - BAND.from, height: 6 }),
    tick,
  );
  return { root, tick };
}

/** The plausible range is the middle half of the bar; what lies beyond both quarters stands at the end. */
function moveBar(bar, value, about) {
  const [low, high] = about.plausible_range;
  bar.tick.toggleAttribute("hidden", value === null);
  if (value === null) return;
  const share = (value - low) / (high - low || 1);
  const at = Math.min(98, Math.max(0, BAND.from + share * (BAND.to - BAND.from) - 1.5));
  bar.tick.setAttribute("x", at.toFixed(1));
  const key = value < low || value > high ? "bar.outside" : "bar.inside";
  bar.root.dataset.outside = String(key === "bar.outside");
  bar.root.setAttribute("aria-label", t(key, { low: number(low, about.decimals), high: number(high, about.decimals) }));
}
