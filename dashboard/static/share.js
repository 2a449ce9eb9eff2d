// The link to what is shown leads here without a script; with one, a click copies it.
"use strict";

(() => {
  const link = document.getElementById("share");
  if (!link || !navigator.clipboard) return;
  const said = link.textContent;
  link.title = "Copy the link to what is shown";
  link.setAttribute("aria-live", "polite");
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    try {
      await navigator.clipboard.writeText(link.href);
      link.textContent = "Copied";
    } catch {
      link.textContent = "Not allowed";
    }
    setTimeout(() => { link.textContent = said; }, 2000);
  });
})();
