// Decimal odds in the reader's format, for the chart: as streaming.core.odds_formats.written, with
// decimal ones to two places. A number that is no price, as at the foot of an axis, has no text.
"use strict";

globalThis.hardlineOdds = (() => {
  const MAX_DENOMINATOR = 20;

  // As Python rounds: a half to the even number.
  function rounded(number) {
    const below = Math.floor(number);
    return number - below === 0.5 ? below + (below & 1) : Math.round(number);
  }

  function american(price) {
    const number = rounded(price >= 2 ? (price - 1) * 100 : -100 / (price - 1));
    return number > 0 ? `+${number}` : `−${-number}`;
  }

  function fractional(price) {
    const won = price - 1;
    if (won < 1 / MAX_DENOMINATOR) { return `1/${rounded(1 / won)}`; }
    let best = [rounded(won), 1];
    for (let under = 2; under <= MAX_DENOMINATOR; under += 1) {
      const over = rounded(won * under);
      if (Math.abs(over / under - won) < Math.abs(best[0] / best[1] - won)) { best = [over, under]; }
    }
    return best.join("/");
  }

  return (price, style) => {
    if (price === null || !(price > 1) || price === Infinity) { return ""; }
    if (style === "american") { return american(price); }
    return style === "fractional" ? fractional(price) : price.toFixed(price < 10 ? 2 : 1);
  };
})();
