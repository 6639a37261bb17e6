// Switches the language of the sign-in page in place, and takes the one-time code of a link.
// The code comes behind the # of the address, which no server, proxy or log ever sees.

import { applyTexts, loadLanguage, otherLanguage, rememberLanguage } from "./i18n.js";

const byCode = document.getElementById("by-code");
const byToken = document.getElementById("by-token");

document.querySelector("[data-language]").addEventListener("click", async () => {
  await loadLanguage(otherLanguage());
  rememberLanguage();
  applyTexts(document);
});

function takeCode() {
  const code = location.hash.slice(1);
  if (code.length > 20) {
    byCode.elements.once.value = code;
    byCode.hidden = false;
    byToken.hidden = true;
  }
  if (!byCode.hidden) byCode.querySelector("button").focus();
}

addEventListener("hashchange", takeCode);
takeCode();
