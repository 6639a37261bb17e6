// The page: which district, device, metric and range are shown (kept in the address), and who is told when something changes.

import { all, get } from "./api.js";
import { Chart, RANGES } from "./chart.js";
import { DeviceList } from "./devices.js";
import { el, glyph, setText } from "./dom.js";
import { applyTexts, chooseLocale, loadLanguage, moment, otherLanguage, pick, rememberLanguage, t, zoneName } from "./i18n.js";
import { showLedger } from "./ledger.js";
import { follow } from "./live.js";

const DEVICES_EVERY_MS = 15_000;
const LEDGER_EVERY_MS = 5_000;
const CHART_EVERY_MS = 60_000;
const THEMES = ["auto", "light", "dark"];
const YEAR_S = 31_536_000;

const at = (id) => document.getElementById(id);
const page = { pilots: [], pilot: null, device: null, metric: null, range: "1h", ledger: null, live: "connecting", downMs: 0 };

const chart = new Chart({ title: at("chart-title"), readout: at("readout"), plot: at("chart"), legend: at("legend") });
const list = new DeviceList(at("devices"), { onChoose: choose });

async function start() {
  await loadLanguage();
  showTexts();
  page.pilots = await attempt(t("pilots"), () => all("/pilots"));
  if (!page.pilots?.length) return;
  const [pilot, device, metric, range] = decodeURIComponent(location.hash.slice(1)).split("/");
  page.range = range in RANGES ? range : "1h";
  await showPilot(page.pilots.find((one) => one.id === pilot) ?? page.pilots[0], device, metric);
  follow({ latest: takeLatest, up: () => showLive("on"), down: () => showLive("off"), missed: loadDevices });
  setInterval(tick, 1_000);
  setInterval(loadDevices, DEVICES_EVERY_MS);
  setInterval(loadLedger, LEDGER_EVERY_MS);
  setInterval(loadChart, CHART_EVERY_MS);
}

/** Runs a load; what fails is said on the page and goes away with the next success. */
async function attempt(what, load) {
  try {
    const answer = await load();
    at("notice").hidden = true;
    return answer;
  } catch (error) {
    at("notice").hidden = false;
    setText(at("notice"), t("problem", { what, why: error.message }));
    return null;
  }
}

async function showPilot(pilot, device, metric) {
  page.pilot = pilot;
  chooseLocale(pilot.timezone);
  showPilots();
  const devices = await attempt(t("devices.title"), () => all("/devices", { pilot: pilot.id }));
  if (!devices) return;
  setOffset(devices);
  list.show(pilot, devices);
  const chosen = devices.find((one) => one.device === device) ?? devices.find((one) => Object.keys(one.latest).length) ?? devices[0];
  page.device = chosen ?? null;
  page.metric = chosen ? (metric && chosen.device === device ? metric : firstMetric(pilot, chosen)) : null;
  remember();
  tick();
  await Promise.all([loadChart(), loadLedger()]);
}

function firstMetric(pilot, device) {
  return Object.keys(pilot.kinds[device.kind]?.metrics ?? device.latest)[0] ?? null;
}

/** The server's clock counts: ages come from it, whatever the clock of this screen says. */
function setOffset(devices) {
  for (const device of devices) {
    for (const latest of Object.values(device.latest)) {
      if (latest.age_ms > 0) {
        list.offsetMs = latest.time_ms + latest.age_ms - Date.now();
        return;
      }
    }
  }
}

function choose(device, metric) {
  Object.assign(page, { device, metric });
  remember();
  loadChart();
  if (matchMedia("(max-width: 68rem)").matches) at("chart-title").scrollIntoView({ block: "start", behavior: "smooth" });
}

function remember() {
  const path = [page.pilot.id, page.device?.device ?? "", page.metric ?? "", page.range].map(encodeURIComponent).join("/");
  history.replaceState(null, "", `#${path}`);
  list.mark(page.device?.device, page.metric);
  for (const button of at("ranges").children) button.setAttribute("aria-pressed", String(button.dataset.range === page.range));
}

async function loadDevices() {
  const devices = await attempt(t("devices.title"), () => all("/devices", { pilot: page.pilot.id }));
  if (!devices || devices[0]?.pilot !== page.pilot.id) return;
  setOffset(devices);
  list.update(devices);
  list.mark(page.device?.device, page.metric);
  showPilots();
}

async function loadLedger() {
  page.ledger = (await attempt(t("ledger.title"), () => get("/ledger"))) ?? page.ledger;
  drawLedger();
}

function drawLedger() {
  if (page.ledger) showLedger({ table: at("ledger"), balance: at("balance"), reasons: at("reasons") }, page.ledger, page.pilot);
}

async function loadChart() {
  if (!page.metric) return chart.draw();
  return attempt(t("chart.choose"), () => chart.load(page.pilot, page.device, page.metric, page.range, Math.round(list.nowMs())));
}

function takeLatest(event) {
  if (event.pilot !== page.pilot.id) return;
  list.take(event.items);
  chart.take(event.pilot, event.items, list.nowMs());
}

function tick() {
  list.refresh();
  setText(at("clock"), moment(list.nowMs(), page.pilot.timezone, { seconds: true, day: false }));
  setText(at("zone"), zoneName(page.pilot.timezone));
}

function showLive(state) {
  if (state === page.live) return;
  if (state === "off") page.downMs = list.nowMs();
  page.live = state;
  drawLive();
}

function drawLive() {
  const mark = { on: "state-online", off: "state-offline", connecting: "state-never_seen" }[page.live];
  const time = page.pilot ? moment(page.downMs, page.pilot.timezone) : "";
  at("live").dataset.live = page.live;
  at("live").replaceChildren(glyph(mark), el("span", { text: t(`live.${page.live}`, { time }) }));
}

function showPilots() {
  const buttons = page.pilots.map((pilot) => {
    const shown = pilot.id === page.pilot?.id;
    const silent = shown && list.pilot === pilot ? list.silent() : pilot.devices - (pilot.states.online ?? 0);
    const note = silent ? t("pilot.silent", { n: silent }) : t("pilot.quiet");
    const count = el("span", { class: "pilot-note" }, silent ? glyph("state-stale") : null, `${t("devices.count", { n: pilot.devices })} · ${note}`);
    const button = el("button", { type: "button", "aria-current": shown ? "true" : null, dataset: { pilot: pilot.id } }, el("span", { class: "pilot-name", text: pick(pilot.name) }), count);
    button.addEventListener("click", () => showPilot(pilot));
    return button;
  });
  const focused = document.activeElement?.dataset?.pilot;
  at("pilots").replaceChildren(...buttons);
  if (focused) buttons.find((button) => button.dataset.pilot === focused)?.focus();
}

function showTexts() {
  applyTexts(document);
  setText(at("theme"), t(`theme.${document.documentElement.dataset.theme}`));
  drawLive();
}

at("language").addEventListener("click", async () => {
  await loadLanguage(otherLanguage());
  rememberLanguage();
  if (page.pilot) chooseLocale(page.pilot.timezone);
  showTexts();
  if (!page.pilot) return;
  list.show(page.pilot, [...list.devices.values()]);
  list.mark(page.device?.device, page.metric);
  showPilots();
  chart.draw();
  at("balance").textContent = "";
  drawLedger();
  tick();
});

at("theme").addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  document.documentElement.dataset.theme = theme;
  document.cookie = `rasad_theme=${theme}; path=/; max-age=${YEAR_S}; samesite=strict`;
  setText(at("theme"), t(`theme.${theme}`));
  chart.draw();
});

at("ranges").addEventListener("click", (event) => {
  const range = event.target.dataset.range;
  if (!range) return;
  page.range = range;
  remember();
  loadChart();
});

start();
