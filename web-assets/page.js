// Small aids. Every page works without this script.
"use strict";

// A form that cannot be undone asks before it is sent.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
  }
});

// Buttons that need a script are shown only if it runs.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

// Tables of charts are open on paper.
const folded = [];
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    folded.push(details);
  }
});
window.addEventListener("afterprint", () => {
  for (const details of folded.splice(0)) {
    details.open = false;
  }
});

// The player of a recording: the waveform seeks, and each channel can be heard alone.
for (const player of document.querySelectorAll("[data-player]")) {
  const audio = player.querySelector("audio");
  const wave = player.querySelector("[data-wave]");
  if (!audio || !wave) {
    continue;
  }
  const svg = wave.querySelector("svg");
  const cursor = document.createElementNS(svg.namespaceURI, "line");
  for (const [name, value] of [["class", "cursor"], ["y1", 0], ["y2", 108], ["x1", 0], ["x2", 0]]) {
    cursor.setAttribute(name, value);
  }
  svg.append(cursor);
  audio.addEventListener("timeupdate", () => {
    const x = audio.duration ? (1160 * audio.currentTime) / audio.duration : 0;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
  });
  wave.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const seek = () => {
      if (audio.duration && box.width) {
        audio.currentTime = (audio.duration * (event.clientX - box.left)) / box.width;
      }
    };
    if (audio.readyState >= 1) {
      seek();
    } else {
      // Nothing is fetched before the user plays or seeks: hearing is an entry of the access log.
      audio.addEventListener("loadedmetadata", seek, { once: true });
      audio.preload = "metadata";
      audio.load();
    }
  });
  const channels = player.querySelector("[data-channels]");
  channels.hidden = false;
  let gains;
  const hear = (side) => {
    if (!gains) {
      const context = new AudioContext();
      const splitter = context.createChannelSplitter(2);
      gains = [context.createGain(), context.createGain()];
      context.createMediaElementSource(audio).connect(splitter);
      gains.forEach((gain, at) => splitter.connect(gain, at).connect(context.destination));
      context.resume();
    }
    gains[0].gain.value = side === "right" ? 0 : 1;
    gains[1].gain.value = side === "left" ? 0 : 1;
    for (const button of channels.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.channel === side));
    }
  };
  for (const button of channels.querySelectorAll("button")) {
    button.addEventListener("click", () => hear(button.dataset.channel));
  }
}
