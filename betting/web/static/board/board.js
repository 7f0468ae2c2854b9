// The pages for bettors: keys, and the chart of a price history. Their times are kept by shared/times.js.
"use strict";

(() => {
  const HOUR = 3600, DAY = 86400;
  const { spoken, silentSeconds } = window.hardlineTimes;

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes(`timezone=${zone}`)) {
    document.cookie = `timezone=${zone};path=/;max-age=31536000;samesite=lax`;
  }

  // Keys: the chosen row is remembered by its id, for rows are replaced as they change, and by its
  // place, which the next row takes over when it goes.
  let chosen = null, chosenPlace = 0;
  function rows() { return [...document.querySelectorAll("tr[data-href]")]; }
  function choose(row) {
    for (const other of rows()) { other.classList.toggle("chosen", other === row); }
    chosen = row ? row.id : null;
    chosenPlace = rows().indexOf(row);
    if (row) { row.scrollIntoView({ block: "nearest" }); }
  }
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select, textarea, summary, button") || event.metaKey || event.ctrlKey) {
      if (event.key === "Escape") { event.target.blur(); }
      return;
    }
    const all = rows(), place = all.findIndex((row) => row.id === chosen);
    if (event.key === "ArrowDown" && all.length) { choose(all[Math.min(place + 1, all.length - 1)]); }
    else if (event.key === "ArrowUp" && all.length) { choose(all[Math.max(place - 1, 0)]); }
    else if (event.key === "Enter" && place >= 0 && !event.target.closest("a")) { location.href = all[place].dataset.href; }
    else if (event.key === "/") { document.querySelector("#filters select")?.focus(); }
    else if (event.key === "?") { document.querySelector("#keys")?.showModal(); }
    else { return; }
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button")) { location.href = row.dataset.href; }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) { menu.open = false; }
    }
  });

  // A page that cannot reach its server must not go on looking alive.
  setInterval(() => {
    const strip = document.querySelector("#strip"), silent = silentSeconds();
    if (!strip || !document.querySelector("[hx-trigger^=every]") || silent < 10 || document.hidden) { return; }
    strip.className = "strip bad";
    strip.replaceChildren(
      Object.assign(document.createElement("span"), { className: "dot" }),
      Object.assign(document.createElement("strong"), { textContent: "Not live" }),
      Object.assign(document.createElement("span"), { className: "why", textContent: `The server has not answered for ${spoken(silent)}. What you see is old.` }),
    );
  }, 1000);
  document.body.addEventListener("htmx:afterSwap", () => {
    if (!chosen) { return; }
    const all = rows(), row = document.getElementById(chosen) || all[Math.min(chosenPlace, all.length - 1)];
    for (const other of all) { other.classList.toggle("chosen", other === row); }
    chosen = row ? row.id : null;
    chosenPlace = all.indexOf(row);
  });

  // The chart.
  const section = document.querySelector("#chart");
  if (!section || typeof Chart === "undefined") { return; }
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const HUES = [210, 28, 280, 350, 175, 48, 110, 315, 235, 85, 5, 195, 260, 60, 145, 330];
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const clock = (ms, options) => new Intl.DateTimeFormat([], { timeZone: section.dataset.zone, hourCycle: "h23", ...options }).format(ms);

  const odds = (price) => window.hardlineOdds(price, section.dataset.odds);

  const majorMoves = {
    id: "majorMoves",
    afterDatasetsDraw(chart) {
      const { ctx, chartArea, scales } = chart;
      ctx.save();
      ctx.strokeStyle = colour("--warn");
      ctx.setLineDash([2, 3]);
      for (const at of chart.options.majorMoves || []) {
        const x = scales.x.getPixelForValue(at);
        if (x >= chartArea.left && x <= chartArea.right) {
          ctx.beginPath(); ctx.moveTo(x, chartArea.top); ctx.lineTo(x, chartArea.bottom); ctx.stroke();
        }
      }
      ctx.restore();
    },
  };

  let chart = null, url = section.dataset.history, marked = section.dataset.marked, windowName = section.querySelector("[data-window]").dataset.window;

  // A colour for each book that matters to the reader, grey for all others. A place of -1 is grey.
  function line(title, points, place, isFair) {
    const hue = HUES[place % HUES.length], isGrey = place < 0;
    return {
      label: title,
      data: points.map(([at, price]) => ({ x: at * 1000, y: price })),
      stepped: true,
      isGrey,
      borderColor: isFair ? colour("--ink") : isGrey ? `${colour("--muted")}59` : `hsl(${hue} 65% ${isDark ? 65 : 42}%)`,
      borderWidth: isFair ? 3.5 : isGrey ? 1.2 : 1.8,
      pointRadius: 0,
      pointHitRadius: 6,
      order: isFair ? 0 : isGrey ? 2 : 1,
    };
  }

  async function draw() {
    if (!url) { return; }
    const answer = await fetch(`${url}?window=${windowName}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) { return; }
    const told = await answer.json();
    const only = section.dataset.only;
    const titles = Object.keys(told.books).filter((title) => !only || title === only);
    const coloured = marked ? JSON.parse(marked) : titles;
    const datasets = [line("Fair", told.fair, 0, true), ...titles.map((title) => line(title, told.books[title], coloured.indexOf(title), false))];
    const ends = datasets.flatMap((each) => each.data.map((point) => point.x));
    const first = Math.min(...ends), seconds = told.until - first / 1000;
    const since = document.querySelector("#chart-since"), asked = { "1h": HOUR, "24h": DAY }[windowName];
    if (since && ends.length) {
      since.textContent = asked && seconds < asked - 60 ? `Recorded since ${clock(first, { hour: "2-digit", minute: "2-digit", second: "2-digit" })}. ` : "";
    }
    const ticks = seconds > DAY * 1.5 ? { day: "numeric", month: "short" }
      : { hour: "2-digit", minute: "2-digit", ...(seconds < HOUR / 4 ? { second: "2-digit" } : {}) };
    const options = {
      animation: false, parsing: false, normalized: true, maintainAspectRatio: false,
      majorMoves: told.major_moves.map((at) => at * 1000),
      interaction: { mode: "nearest", axis: "x", intersect: false },
      scales: {
        x: { type: "linear", min: first, max: told.until * 1000, grid: { color: colour("--line") },
          ticks: { color: colour("--muted"), maxTicksLimit: 8, maxRotation: 0, callback: (ms) => clock(ms, ticks) } },
        y: { grid: { color: colour("--line") }, ticks: { color: colour("--muted"), callback: odds } },
      },
      plugins: {
        legend: { position: "bottom", labels: { filter: (item, data) => !data.datasets[item.datasetIndex].isGrey, color: colour("--muted"), usePointStyle: true, pointStyle: "line", pointStyleWidth: 22, font: { size: 11 } } },
        tooltip: { callbacks: { title: (items) => items.length ? clock(items[0].parsed.x, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" }) : "", label: (item) => `${item.dataset.label}: ${odds(item.parsed.y)}` } },
      },
    };
    if (chart) { chart.destroy(); }
    chart = new Chart(document.querySelector("#history"), { type: "line", data: { datasets }, options, plugins: [majorMoves] });
    section.dataset.drawn = String(datasets.length);
  }

  document.addEventListener("click", (event) => {
    const window = event.target.closest("[data-window]"), outcome = event.target.closest(".pick");
    if (window) {
      windowName = window.dataset.window;
      for (const each of section.querySelectorAll("[data-window]")) { each.toggleAttribute("aria-pressed", each === window); }
      window.setAttribute("aria-pressed", "true");
    } else if (outcome) {
      url = outcome.dataset.history;
      marked = outcome.dataset.marked;
      document.querySelector("#chart-title").textContent = outcome.dataset.title;
    } else { return; }
    draw();
  });
  Chart.defaults.font.family = "Inter, system-ui, sans-serif";
  draw();
  setInterval(() => { if (!document.hidden) { draw(); } }, 15000);
})();
