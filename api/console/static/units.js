// UCUM codes as people write them.

const SIGNS = {
  1: "", Cel: "°C", "ug/m3": "µg/m³", "mg/m3": "mg/m³", "[ppm]": "ppm", "[ppb]": "ppb", "m3/s": "m³/s", m3: "m³", m2: "m²",
  "m3/h": "m³/h", deg: "°", "dB(A)": "dB(A)", "dB[SPL]": "dB", "W/m2": "W/m²", "{count}": "", "L/m2": "mm", "uS/cm": "µS/cm",
};

/** `ug/m3` becomes `µg/m³`; annotations in braces are left out; what is unknown stands as it is. */
export function unitSign(ucum) {
  return ucum in SIGNS ? SIGNS[ucum] : ucum.replace(/\{[^}]*\}/g, "").replace(/^\/|\/$/g, (slash) => slash);
}
