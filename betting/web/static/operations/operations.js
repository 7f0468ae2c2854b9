// The operators' pages: updates that keep what is open, and an end to them that shows. Their times are kept by shared/times.js.
"use strict";

(() => {
  const UNREACHABLE_SECONDS = 12;
  const { spoken, silentSeconds } = window.hardlineTimes;

  // A part that is replaced keeps its folds as the reader has left them.
  const folds = new Map();
  document.addEventListener("toggle", (event) => {
    if (event.target.id) { folds.set(event.target.id, event.target.open); }
  }, true);
  function restore(root) {
    for (const fold of root.querySelectorAll("details[id]")) {
      if (folds.has(fold.id)) { fold.open = folds.get(fold.id); }
    }
  }

  // The ETag of the last answer of each address goes with the next request: 304 leaves the page as it is.
  const tags = new Map();
  document.addEventListener("htmx:configRequest", (event) => {
    const tag = tags.get(event.detail.path);
    if (tag) { event.detail.headers["If-None-Match"] = tag; }
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status === 304) { event.detail.shouldSwap = false; }
  });
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    restore(event.detail.target.id ? document.getElementById(event.detail.target.id) || document : document);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const answer = event.detail.xhr;
    if (!event.detail.successful && answer.status !== 304) { return; }
    const tag = answer.getResponseHeader("ETag");
    if (tag) { tags.set(event.detail.requestConfig.path, tag); }
  });

  function showReach() {
    const notice = document.querySelector("#op-unreachable"), silent = silentSeconds();
    if (!notice) { return; }
    notice.hidden = silent < UNREACHABLE_SECONDS;
    notice.querySelector("span").textContent = spoken(silent);
  }

  setInterval(showReach, 1000);
})();
