// Texts, numbers, times and plurals in the chosen language. One catalogue is loaded at a time; both have the same keys.

const DIRECTION = { en: "ltr", ar: "rtl" };
const YEAR_S = 31_536_000;

let texts = {};
let locale = "en-GB";
let formats = new Map();

export const language = () => document.documentElement.lang;
export const otherLanguage = () => (language() === "ar" ? "en" : "ar");

/** Loads a language and turns the page to it. */
export async function loadLanguage(chosen = language()) {
  const answer = await fetch(`/catalogues/${chosen}.json`);
  if (!answer.ok) throw new Error(`catalogue ${chosen}: HTTP ${answer.status}`);
  texts = await answer.json();
  document.documentElement.lang = chosen;
  document.documentElement.dir = DIRECTION[chosen];
  document.title = texts.title;
  chooseLocale();
}

export function rememberLanguage() {
  document.cookie = `rasad_lang=${language()}; path=/; max-age=${YEAR_S}; samesite=strict`;
}

/** English dates are day-first; Arabic month names follow the district; digits are Western (domain rule). */
export function chooseLocale(timezone = "") {
  const arabic = timezone === "Asia/Amman" ? "ar-JO-u-nu-latn" : "ar-OM-u-nu-latn";
  locale = language() === "ar" ? arabic : "en-GB";
  formats = new Map();
}

function format(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new kind(locale, options));
  return formats.get(key);
}

/** A text with its `{placeholders}` filled in; a plural is chosen by `values.n`. */
export function t(key, values = {}) {
  let text = texts[key];
  if (text === undefined) return key;
  if (typeof text === "object") text = text[format(Intl.PluralRules, {}).select(values.n)] ?? text.other;
  const shown = typeof values.n === "number" ? { ...values, n: number(values.n) } : values;
  return text.replace(/\{(\w+)\}/g, (_, name) => shown[name]);
}

export const has = (key) => key in texts;

/** The text in this language of a `{en, ar}` pair from the registry. */
export const pick = (pair) => pair[language()] || pair.en;

export const number = (value, decimals = 0) =>
  format(Intl.NumberFormat, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(value);

const AGE_STEPS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** An age in its largest whole unit: `12 sec`, `3 min`. */
export function age(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return t("age.now");
  const [unit, length] = AGE_STEPS.find(([, s]) => seconds >= s);
  const options = { style: "unit", unit, unitDisplay: "short" };
  return format(Intl.NumberFormat, options).format(Math.floor(seconds / length));
}

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DAY = { day: "numeric", month: "short" };

/** A moment in the district's time zone; with its day when that is not today. */
export function moment(ms, timezone, { seconds = false, day = "auto" } = {}) {
  const clock = seconds ? { ...CLOCK, second: "2-digit" } : CLOCK;
  const days = format(Intl.DateTimeFormat, { ...DAY, year: "numeric", timeZone: timezone });
  const withDay = day === "auto" ? days.format(ms) !== days.format(Date.now()) : day;
  return format(Intl.DateTimeFormat, { ...clock, ...(withDay ? DAY : {}), timeZone: timezone }).format(ms);
}

/** A day in the district's time zone, such as 1 Mar. */
export const dayOf = (ms, timezone) => format(Intl.DateTimeFormat, { ...DAY, timeZone: timezone }).format(ms);

/** The short name of a time zone, such as GMT+4. */
export function zoneName(timezone) {
  const parts = format(Intl.DateTimeFormat, { timeZone: timezone, timeZoneName: "short" }).formatToParts(Date.now());
  return parts.find((part) => part.type === "timeZoneName").value;
}

/** Fills every element that names its text with `data-i18n` or its label with `data-i18n-label`. */
export function applyTexts(root) {
  for (const element of root.querySelectorAll("[data-i18n]")) element.textContent = t(element.dataset.i18n);
  for (const element of root.querySelectorAll("[data-i18n-label]")) element.setAttribute("aria-label", t(element.dataset.i18nLabel));
  for (const button of root.querySelectorAll("[data-language]")) {
    button.textContent = t("language.other");
    button.lang = otherLanguage();
  }
}
