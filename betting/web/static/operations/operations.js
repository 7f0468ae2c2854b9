// The operators' pages: times that count on, updates that keep what is open, and an end to them that shows.
"use strict";

(() => {
  const MINUTE = 60, HOUR = 3600, DAY = 86400, UNREACHABLE_SECONDS = 12;

  // The page's clock may be wrong: the server's time is that of its last answer.
  let skewMs = 0, lastAnswer = Date.now();
  function learnSkew(dateHeader) {
    const server = Date.parse(dateHeader || "");
    if (server) { skewMs = server - Date.now(); }
  }

  // As streaming.core.durations.spoken, in whole seconds.
  function spoken(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    const joined = (large, name, small, lesser) => {
      const rest = Math.floor(whole % large / small);
      return `${Math.floor(whole / large)} ${name}` + (rest ? ` ${rest} ${lesser}` : "");
    };
    if (whole < MINUTE) { return `${whole} s`; }
    if (whole < HOUR) { return joined(MINUTE, "min", 1, "s"); }
    if (whole < DAY) { return joined(HOUR, "h", MINUTE, "min"); }
    return joined(DAY, "d", HOUR, "h");
  }

  function write(selector, words) {
    const now = Date.now() + skewMs;
    for (const time of document.querySelectorAll(selector)) {
      const text = words((now - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) { time.textContent = text; }
    }
  }
  function showTimes() {
    write("time[data-ago]", (seconds) => `${spoken(seconds)} ago`);
    write("time[data-for]", spoken);
    write("time[data-in]", (seconds) => seconds < 0 ? `in ${spoken(-seconds)}` : "now");
  }

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
    showTimes();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const answer = event.detail.xhr;
    if (!event.detail.successful && answer.status !== 304) { return; }
    lastAnswer = Date.now();
    learnSkew(answer.getResponseHeader("Date"));
    const tag = answer.getResponseHeader("ETag");
    if (tag) { tags.set(event.detail.requestConfig.path, tag); }
  });

  function showReach() {
    const notice = document.querySelector("#op-unreachable"), silent = (Date.now() - lastAnswer) / 1000;
    if (!notice) { return; }
    notice.hidden = silent < UNREACHABLE_SECONDS;
    notice.querySelector("span").textContent = spoken(silent);
  }

  showTimes();
  setInterval(() => { showTimes(); showReach(); }, 1000);
})();
