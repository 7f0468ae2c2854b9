// Times that count on, by the server's clock: on the pages for bettors and on those for operators.
// betting/web/templatetags/times.py writes their elements.
"use strict";

window.hardlineTimes = (() => {
  const MINUTE = 60, HOUR = 3600, DAY = 86400;
  // Where a page has many times in narrow columns, they need not be exact.
  const isBrief = document.body.hasAttribute("data-brief-times");

  // The page's clock may be wrong: the server's time is that of its last answer.
  let skewMs = 0, lastAnswer = Date.now();

  // As streaming.core.durations.spoken, in whole seconds; in brief, without seconds from a minute on, and without hours from a day on.
  function spoken(seconds) {
    const whole = Math.max(0, isBrief ? Math.floor(seconds) : Math.round(seconds));
    const joined = (large, name, small, lesser) => {
      const rest = Math.floor(whole % large / small);
      return `${Math.floor(whole / large)} ${name}` + (rest ? ` ${rest} ${lesser}` : "");
    };
    if (whole < MINUTE) { return `${whole} s`; }
    if (whole < HOUR) { return isBrief ? `${Math.floor(whole / MINUTE)} min` : joined(MINUTE, "min", 1, "s"); }
    if (whole < DAY) { return joined(HOUR, "h", MINUTE, "min"); }
    return isBrief ? `${Math.floor(whole / DAY)} d` : joined(DAY, "d", HOUR, "h");
  }

  function write(selector, words) {
    const now = Date.now() + skewMs;
    for (const time of document.querySelectorAll(selector)) {
      const seconds = (now - Date.parse(time.dateTime)) / 1000, text = words(seconds);
      if (text !== null && time.textContent !== text) { time.textContent = text; }
      if ("ago" in time.dataset) { time.dataset.faded = seconds < 15 ? "0" : seconds < MINUTE ? "1" : "2"; }
    }
  }
  function show() {
    write("time[data-ago]", (seconds) => `${spoken(seconds)} ago`);
    write("time[data-for]", spoken);
    write("time[data-in]", (seconds) => seconds < 0 ? `in ${spoken(-seconds)}` : "now");
    write("time[data-start]", (seconds) => Math.abs(seconds) >= 2 * DAY ? null
      : seconds < 0 ? `in ${spoken(-seconds)}` : `started ${spoken(seconds)} ago`);
  }

  document.addEventListener("htmx:afterRequest", (event) => {
    const answer = event.detail.xhr;
    if (!event.detail.successful && answer.status !== 304) { return; }
    lastAnswer = Date.now();
    const server = Date.parse(answer.getResponseHeader("Date") || "");
    if (server) { skewMs = server - lastAnswer; }
  });
  for (const swap of ["htmx:afterSwap", "htmx:oobAfterSwap"]) { document.addEventListener(swap, show); }
  show();
  setInterval(show, 1000);

  return { spoken, silentSeconds: () => (Date.now() - lastAnswer) / 1000 };
})();
