"use strict";
// What every page needs: elements made of text, copying, the theme, tabs. Text of others goes in by textContent alone.
const preflight = {};

(() => {
  const SVG = "http://www.w3.org/2000/svg"; // a name, not an address: nothing is asked for there

  const fill = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  };
  const make = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
  const draw = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
  const by = (id) => document.getElementById(id);

  // Names may run from right to left: each stands for itself, and moves nothing around it.
  const name = (text, attributes = {}) => make("bdi", attributes, text);

  const figure = (number) => number.toLocaleString("en");
  const counted = (number, noun, several = `${noun}s`) => `${figure(number)} ${number === 1 ? noun : several}`;

  // Characters that are not seen, or that turn text around, shown by their number; what is copied stays as it is.
  const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
  const visible = (text) => text.replace(HIDDEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

  const write = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = make("textarea", { readonly: true, class: "away", "aria-hidden": "true", tabindex: "-1" });
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };

  // A button that copies, and says so to eyes and ears for a moment.
  const copier = (what, text) => {
    const label = make("span", {}, what);
    const button = make("button", { type: "button", class: "copy" }, label);
    button.addEventListener("click", async () => {
      const done = await write(typeof text === "function" ? text() : text);
      label.textContent = done ? "Copied" : "Select it and copy by hand";
      button.classList.toggle("done", done);
      by("said").textContent = done ? `${what}: copied` : "Copying is not allowed here";
      setTimeout(() => {
        label.textContent = what;
        button.classList.remove("done");
      }, 1800);
    });
    return button;
  };

  const block = (text, what) =>
    make("div", { class: "block" }, make("pre", { tabindex: "0", role: "group", "aria-label": what }, make("code", {}, visible(text))), copier("Copy", text));

  // -- theme: as the system says, or as it was chosen here -------------------------------------------------------------

  const KEY = "netpol-preflight-theme";
  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // a page from a file may not be allowed to remember
    }
  };
  const themes = () => {
    const buttons = [...document.querySelectorAll("[data-theme-choice]")];
    const choose = (theme) => {
      document.documentElement.dataset.theme = theme;
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // it holds until the page is left
      }
    };
    for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.themeChoice));
    const theme = remembered();
    choose(["light", "dark"].includes(theme) ? theme : "auto");
  };

  // -- tabs, as the ARIA Authoring Practices have them: arrows move, the panel follows ------------------------------------

  const tabs = (list) => {
    const every = [...list.querySelectorAll("[role=tab]")];
    const show = (tab, focus = false) => {
      for (const one of every) {
        const chosen = one === tab;
        one.setAttribute("aria-selected", String(chosen));
        one.tabIndex = chosen ? 0 : -1;
        by(one.getAttribute("aria-controls")).hidden = !chosen;
      }
      if (focus) tab.focus();
    };
    list.addEventListener("keydown", (event) => {
      const shown = every.filter((one) => !one.hidden);
      const here = shown.indexOf(document.activeElement);
      const step = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: shown.length - 1 }[event.key];
      if (here < 0 || step === undefined) return;
      event.preventDefault();
      show(shown[(step + shown.length) % shown.length], true);
    });
    for (const tab of every) tab.addEventListener("click", () => show(tab));
    return { show: (id) => show(by(id)) };
  };

  Object.assign(preflight, { make, draw, by, name, figure, counted, visible, copier, block, themes, tabs });
  preflight.data = JSON.parse(by("data").textContent);
})();
