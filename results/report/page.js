"use strict";
const drawn = JSON.parse(document.getElementById("figures").textContent);
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const button = document.getElementById("theme");
let theme = prefersDark.matches ? "dark" : "light";

function draw(element) {
  const figure = drawn.figures[element.dataset.plot];
  const rows = element.clientWidth < 600 ? figure.data.filter((trace) => trace.showlegend !== false).length : 0;
  const height = figure.layout.height + 19 * rows;  // on a phone the legend has a row for each, above the plot
  const layout = { ...figure.layout, template: drawn.themes[theme], autosize: true, height };
  const picture = { format: "svg", filename: element.dataset.plot };
  const config = {
    responsive: true, displaylogo: false, toImageButtonOptions: picture,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],  // and none that sends the plot anywhere
  };
  Plotly.react(element, figure.data, layout, config);
  element.dataset.drawn = theme;
}

function show() {
  document.documentElement.dataset.theme = theme;
  button.textContent = theme === "dark" ? "Light" : "Dark";
  for (const element of document.querySelectorAll("[data-drawn]")) {
    draw(element);
  }
}

// a plot is drawn when it comes near the window: a browser has WebGL for few at once
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting && entry.target.dataset.drawn === undefined) {
      draw(entry.target);
    }
  }
}, { rootMargin: "600px" });

button.hidden = false;
button.addEventListener("click", () => { theme = theme === "dark" ? "light" : "dark"; show(); });
prefersDark.addEventListener("change", (event) => { theme = event.matches ? "dark" : "light"; show(); });
show();
document.querySelectorAll(".plot").forEach((element) => watcher.observe(element));
addEventListener("beforeprint", () => document.querySelectorAll(".plot").forEach(draw));
