// Draws the plots that the page holds as data. Every number is in the tables too.
"use strict";

(() => {
  const data = document.getElementById("plots");
  if (!data || !window.Plotly) return;
  const plots = JSON.parse(data.textContent);
  const dashes = ["solid", "dash", "dashdot", "longdash", "longdashdot"];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Plotly reads some HTML.
  const text = (name) => (name || "not said").replace(/[<>&]/g, (c) => `&#${c.charCodeAt(0)};`);

  // Control is grey and dotted, each other variant has its own dash.
  function styled(lines) {
    let nth = 0;
    return lines.map((line) => ({
      ...line,
      name: text(line.variant),
      style: {
        width: line.control ? 2 : 2.5,
        dash: line.control ? "dot" : dashes[nth++ % dashes.length],
        color: colour(line.control ? "--control" : "--accent"),
      },
    }));
  }

  const faded = () => {
    const hex = colour("--accent").slice(1);
    const [r, g, b] = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${r},${g},${b},0.16)`;
  };

  // What was promised is marked some twenty times over the whole of the time, however often looked at.
  function apart({ time, promised }) {
    const at = time.map((each) => Date.parse(`${each.replace(" ", "T")}Z`));
    const step = (at[at.length - 1] - at[0]) / 20;
    let last = -Infinity;
    const kept = at.map((each) => each - last >= step && ((last = each), true));
    return { x: time.filter((_, i) => kept[i]), y: promised.filter((_, i) => kept[i]) };
  }

  // The day below the hours, the year below the days: as short as a phone wants them.
  const date = {
    type: "date",
    tickformatstops: [
      { dtickrange: [null, 86399999], value: "%H:%M\n%b %-d" },
      { dtickrange: [86400000, null], value: "%b %-d\n%Y" },
    ],
  };

  // Inside, it would lie on a line sooner or later.
  const above = { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom", traceorder: "normal" };

  const drawings = {
    latency(lines) {
      const traces = styled(lines).map((line) => ({
        name: line.name, x: line.latency_ms, y: line.share, mode: "lines",
        line: { ...line.style, shape: "hv" },
        hovertemplate: "%{y:.1%} within %{x:.4~r} ms",
      }));
      // From where the first tenth of a percent is done to where only the last is missing.
      const inner = lines.flatMap((line) =>
        line.latency_ms.filter((_, i) => line.share[i] > 0.001 && line.share[i] < 0.9995));
      const all = inner.length > 1 ? inner : lines.flatMap((line) => line.latency_ms);
      const [from, to] = [Math.log10(Math.min(...all) / 1.1), Math.log10(Math.max(...all) * 1.1)];
      // 1, 2 and 5 of each power of ten: as few as fit, each written out.
      const tickvals = [];
      for (let power = Math.floor(from); power <= to; power++) {
        tickvals.push(...(to - from < 3 ? [1, 2, 5] : [1]).map((lead) => Number(`${lead}e${power}`)));
      }
      const ticktext = tickvals.map((value) => value.toLocaleString("en-US", { maximumFractionDigits: 3 }));
      return {
        traces,
        x: { type: "log", range: [from, to], tickvals, ticktext, title: { text: "latency, ms", font: { size: 13 } } },
        y: { range: [0, 1.01], tickformat: ".0%" },
        legend: above,
      };
    },

    effect({ unit, lines }) {
      const several = lines.length > 1;
      // The bands of several would hide each other.
      const band = (line) => several ? [] : [
        { x: line.time, y: line.low, mode: "lines", line: { width: 0, color: faded() }, showlegend: false, hoverinfo: "skip" },
        {
          name: `${line.name}, 95 % interval`, x: line.time, y: line.high, mode: "lines", fill: "tonexty",
          fillcolor: faded(), line: { width: 0 }, showlegend: false, hoverinfo: "skip",
        },
      ];
      const traces = styled(lines).flatMap((line) => [
        ...band(line),
        {
          name: line.name, x: line.time, y: line.value, mode: "lines", line: line.style,
          customdata: line.low.map((low, i) => [low, line.high[i]]),
          hovertemplate: `%{y:.3~r} ${unit} (%{customdata[0]:.3~r} to %{customdata[1]:.3~r})`,
        },
      ]);
      // The first looks know next to nothing: their width would flatten all that follow.
      const late = lines.flatMap((line) => {
        const from = Math.floor(line.low.length / 6);
        return several ? [...line.value.slice(from), 0] : [...line.low.slice(from), ...line.high.slice(from), 0];
      });
      const pad = (Math.max(...late) - Math.min(...late)) * 0.06 || 1;
      return {
        traces,
        x: date,
        y: { range: [Math.min(...late) - pad, Math.max(...late) + pad], ticksuffix: unit === "%" ? " %" : "", title: { text: unit === "points" ? "percentage points" : "", font: { size: 13 } } },
        zero: true,
        legend: above,
        showlegend: several,
      };
    },

    exposures(lines) {
      const traces = styled(lines).flatMap((line) => [
        { name: line.name, x: line.time, y: line.count, mode: "lines", line: line.style, hovertemplate: "%{y:,}" },
        {
          name: `${line.name}, promised`, ...apart(line), mode: "markers", showlegend: false,
          marker: { symbol: "line-ew-open", size: 7, color: colour("--ink-2") }, hovertemplate: "%{y:,} promised",
        },
      ]);
      return {
        traces,
        x: date,
        y: { rangemode: "tozero", tickformat: "~s" },
        legend: { x: 0.01, xanchor: "left", y: 0.99, yanchor: "top" },
      };
    },
  };

  function layout(place, { x, y, legend, zero, showlegend = true }) {
    const few = place.clientWidth < 500 ? { tickangle: 0, nticks: 4 } : {};
    const ink = colour("--ink-2"), rule = colour("--rule");
    const axis = { color: ink, gridcolor: rule, linecolor: rule, zeroline: false, fixedrange: true, automargin: true };
    return {
      autosize: true,
      height: place.clientHeight,
      margin: { l: 52, r: 12, t: 8, b: 44 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink },
      hovermode: "x unified",
      hoverlabel: { bgcolor: colour("--page"), bordercolor: rule, font: { color: colour("--ink") } },
      legend: { ...legend, itemwidth: 44, bgcolor: "rgba(0,0,0,0)" },
      showlegend,
      xaxis: { ...axis, ticks: "outside", tickcolor: rule, ...few, ...x },
      yaxis: { ...axis, ...y, ...(zero ? { zeroline: true, zerolinecolor: ink, zerolinewidth: 1 } : {}) },
    };
  }

  function draw() {
    for (const [name, content] of Object.entries(plots)) {
      const place = document.getElementById(`plot-${name}`);
      if (!place) continue;
      if (!place.classList.contains("js-plotly-plot")) place.replaceChildren();
      const drawing = drawings[name](content);
      window.Plotly.react(place, drawing.traces, layout(place, drawing), { displayModeBar: false, responsive: true });
    }
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
