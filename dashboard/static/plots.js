// Draws the latency curves that the page holds as data. Every number is in the tables too.
"use strict";

(() => {
  const place = document.getElementById("plot");
  const data = document.getElementById("curves");
  if (!place || !data || !window.Plotly) return;
  const curves = JSON.parse(data.textContent);
  const dashes = ["solid", "dash", "dashdot", "longdash", "longdashdot"];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function trace(curve, nth) {
    return {
      name: curve.variant.replace(/[<>&]/g, (c) => `&#${c.charCodeAt(0)};`), // Plotly reads some HTML
      x: curve.latency_ms,
      y: curve.share,
      mode: "lines",
      line: {
        shape: "hv",
        width: curve.control ? 2 : 2.5,
        dash: curve.control ? "dot" : dashes[nth % dashes.length],
        color: colour(curve.control ? "--control" : "--accent"),
      },
      hovertemplate: "%{y:.1%} within %{x:.4~r} ms",
    };
  }

  function traces() {
    let nth = 0;
    return curves.map((curve) => trace(curve, curve.control ? 0 : nth++));
  }

  // From where the first tenth of a percent is done to where only the last is missing.
  function span() {
    const inner = curves.flatMap((curve) =>
      curve.latency_ms.filter((_, i) => curve.share[i] > 0.001 && curve.share[i] < 0.9995));
    const all = inner.length > 1 ? inner : curves.flatMap((curve) => curve.latency_ms);
    return [Math.log10(Math.min(...all) / 1.1), Math.log10(Math.max(...all) * 1.1)];
  }

  // 1, 2 and 5 of each power of ten: as few as fit, each written out.
  function ticks() {
    const [from, to] = span();
    const leads = to - from < 3 ? [1, 2, 5] : [1];
    const tickvals = [];
    for (let power = Math.floor(from); power <= to; power++) {
      tickvals.push(...leads.map((lead) => Number(`${lead}e${power}`)));
    }
    return { tickvals, ticktext: tickvals.map((value) => value.toLocaleString("en-US", { maximumFractionDigits: 3 })) };
  }

  function layout() {
    const ink = colour("--ink-2"), rule = colour("--rule");
    const axis = { color: ink, gridcolor: rule, linecolor: rule, zeroline: false, fixedrange: true };
    return {
      autosize: true,
      height: place.clientHeight,
      margin: { l: 52, r: 12, t: 8, b: 44 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink },
      hovermode: "x unified",
      hoverlabel: { bgcolor: colour("--page"), bordercolor: rule, font: { color: colour("--ink") } },
      legend: { x: 0.99, xanchor: "right", y: 0.04, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
      showlegend: true,
      xaxis: { ...axis, type: "log", range: span(), title: { text: "latency, ms", font: { size: 13 } }, ...ticks(), ticks: "outside", tickcolor: rule },
      yaxis: { ...axis, range: [0, 1.01], tickformat: ".0%" },
    };
  }

  const draw = () =>
    window.Plotly.react(place, traces(), layout(), { displayModeBar: false, responsive: true });
  place.replaceChildren();
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
