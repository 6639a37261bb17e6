// The ledger: received = stored + duplicate + quarantined + rejected + pending, for the district shown and for all.

import { el, glyph } from "./dom.js";
import { has, number, pick, t } from "./i18n.js";

const TERMS = ["stored", "duplicate", "quarantined", "rejected", "pending"];

export function showLedger({ table, balance, reasons }, ledger, pilot) {
  const mine = ledger.by_pilot?.[pilot.id];
  const columns = [[pick(pilot.name), mine], [t("ledger.all"), ledger]].filter(([, column]) => column);
  const head = el("tr", {}, el("td", {}), ...columns.map(([name]) => el("th", { scope: "col", text: name })));
  const rows = ["received", ...TERMS, "sequence_gaps"].map((term) => row(term, columns.map(([, column]) => column[term])));
  table.replaceChildren(el("thead", {}, head), el("tbody", {}, ...rows));
  showBalance(balance, ledger);
  showReasons(reasons, ledger.by_reason);
}

function row(term, figures) {
  const sign = TERMS.includes(term) ? el("span", { class: "sign", "aria-hidden": "true", text: term === "stored" ? "=" : "+" }) : null;
  const cells = figures.map((figure) => el("td", { text: number(figure) }));
  return el("tr", { class: `term-${term}` }, el("th", { scope: "row" }, sign, t(`ledger.${term}`)), ...cells);
}

function showBalance(element, ledger) {
  const off = ledger.received - TERMS.reduce((sum, term) => sum + ledger[term], 0);
  const text = ledger.balanced ? t("ledger.balanced") : t("ledger.unbalanced", { n: off });
  if (element.textContent === text) return;
  element.dataset.balanced = String(ledger.balanced);
  element.replaceChildren(glyph(ledger.balanced ? "flag-1" : "flag-4"), text);
}

function showReasons(list, byReason) {
  const parts = [["quarantined", "ledger.why_quarantined"], ["rejected", "ledger.why_rejected"]].flatMap(([what, title]) => {
    const reasons = Object.entries(byReason[what]).filter(([, n]) => n).sort(([, a], [, b]) => b - a);
    return reasons.length ? [el("dt", { text: t(title) }), ...reasons.map(reason)] : [];
  });
  list.replaceChildren(...parts);
}

function reason([name, n]) {
  const text = has(`why.${name}`) ? t(`why.${name}`) : name.replaceAll("_", " ");
  return el("dd", {}, el("bdi", { text }), " ", el("span", { class: "count", text: number(n) }));
}
