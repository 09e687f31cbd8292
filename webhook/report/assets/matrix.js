"use strict";
// The matrix: a table of who may send what to whom. Where it is too large to read, namespaces are its rows and columns.
(() => {
  const { make, by, name, counted, data, themes } = preflight;
  const MOST = 70; // rows or columns of workloads; more are folded into their namespaces
  const CUT = 150; // and where there is but one namespace, so many are shown
  const { ends, ports, rows } = data;
  const open = new Map(); // "source target" -> {sure, unknown}: what is open, in words
  for (const [source, sure, said, targets] of rows) {
    for (const target of targets) {
      const key = `${source} ${target}`;
      const cell = open.get(key) ?? {};
      cell[sure ? "sure" : "unknown"] = ports[said];
      open.set(key, cell);
    }
  }
  const spaces = [...new Set(ends.map((end) => end.ns))];

  const FIELDS = ["from", "fromns", "to", "tons", "port"];
  const state = Object.fromEntries(FIELDS.map((key) => [key, ""]));
  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const key of FIELDS) state[key] = asked.get(key) ?? "";
  };
  const write = () => {
    const asked = new URLSearchParams(FIELDS.filter((key) => state[key]).map((key) => [key, state[key]]));
    const hash = asked.toString();
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };

  const chosen = (text, space) => {
    const words = text.toLowerCase().split(/\s+/);
    return ends.flatMap((end, number) => ((!space || end.ns === space) && words.every((word) => end.whole.toLowerCase().includes(word) || end.name.toLowerCase().includes(word)) ? [number] : []));
  };
  // A port by number is in `80/TCP`, in `8000-8999/TCP` and in what is open on every port; anything else is text.
  const carries = (text, asked) => {
    if (!asked) return true;
    if (text === data.all) return true;
    const number = /^\d+$/.test(asked) ? Number(asked) : null;
    if (number === null) return text.toLowerCase().includes(asked.toLowerCase());
    return text.split(", ").some((one) => {
      const [range] = one.split("/");
      const [first, last = first] = range.split("-");
      return first === "*" || (Number(first) <= number && number <= Number(last));
    });
  };
  const cellOf = (source, target) => {
    const cell = open.get(`${source} ${target}`);
    if (!cell) return null;
    const sure = cell.sure !== undefined && carries(cell.sure, state.port) ? cell.sure : undefined;
    const unknown = cell.unknown !== undefined && carries(cell.unknown, state.port) ? cell.unknown : undefined;
    return sure === undefined && unknown === undefined ? null : { sure, unknown };
  };

  const short = (text) => {
    if (text.length <= 12) return text;
    const several = text.split(", ").length;
    return several > 1 ? `${several} ports` : `${text.slice(0, 11)}\u2026`;
  };
  const single = (source, target) => {
    const cell = cellOf(source, target);
    const kind = !cell ? "none" : cell.sure === undefined ? "unknown" : cell.sure === data.all ? "all" : "some";
    const said = !cell ? "nothing" : [cell.sure, cell.unknown && `not known: ${cell.unknown}`].filter(Boolean).join("; ");
    return { kind, text: !cell ? "" : cell.sure === undefined ? "?" : short(cell.sure), said: `${ends[source].whole} \u2192 ${ends[target].whole}: ${said}` };
  };
  const several = (from, to) => {
    let sure = 0;
    let unknown = 0;
    for (const source of from.members) {
      for (const target of to.members) {
        const cell = cellOf(source, target);
        if (cell?.sure !== undefined) sure += 1;
        else if (cell) unknown += 1;
      }
    }
    const pairs = from.members.length * to.members.length;
    const kind = sure === pairs ? "all" : sure ? "some" : unknown ? "unknown" : "none";
    const share = sure ? `${Math.max(1, Math.round((sure / pairs) * 100))}%` : "";
    return { kind, share: sure / pairs, text: share || (unknown ? "?" : ""), said: `${from.label} \u2192 ${to.label}: ${sure.toLocaleString("en")} of ${counted(pairs, "pair")} open${unknown ? `, ${unknown.toLocaleString("en")} not known` : ""}` };
  };

  const lines = (some, space) => {
    const inside = new Set(some.map((number) => ends[number].ns));
    if (some.length > MOST && !space && inside.size > 1) {
      return spaces.filter((one) => inside.has(one)).map((one) => ({ label: one, note: counted(some.filter((number) => ends[number].ns === one).length, "end"), ns: one, members: some.filter((number) => ends[number].ns === one), folded: true }));
    }
    return some.slice(0, CUT).map((number) => ({ label: ends[number].name, note: ends[number].ns, ns: ends[number].ns, members: [number], folded: false }));
  };
  const edge = (line, number, every) => number > 0 && !line.folded && every[number - 1].ns !== line.ns;

  const table = (sources, targets) => {
    const head = targets.map((line, number) =>
      make("th", { scope: "col", class: edge(line, number, targets) ? "edge-left" : null, title: ends[line.members[0]]?.whole }, make("span", {}, name(line.label), line.folded ? null : make("small", {}, "  ", name(line.note)))),
    );
    const body = sources.map((from, row) =>
      make(
        "tr",
        { class: edge(from, row, sources) ? "edge-top" : null },
        make("th", { scope: "row", title: from.folded ? from.label : ends[from.members[0]].whole }, name(from.label), make("small", {}, name(from.note))),
        ...targets.map((to, column) => {
          const cell = from.folded || to.folded ? several(from, to) : single(from.members[0], to.members[0]);
          const td = make("td", { class: `${cell.kind}${edge(to, column, targets) ? " edge-left" : ""}`, tabindex: "-1", "aria-label": cell.said }, cell.text);
          td.line = { from, to, said: cell.said };
          if (cell.share) {
            td.classList.add("share");
            td.style.setProperty("--share", cell.share.toFixed(2));
          }
          return td;
        }),
      ),
    );
    return make("table", { role: "grid", "aria-label": "Who may send what to whom" }, make("thead", {}, make("tr", {}, make("td", { class: "corner" }, make("small", {}, "from \u2193   to \u2192")), ...head)), make("tbody", {}, ...body));
  };

  const refresh = () => {
    for (const key of FIELDS) if (by(key).value !== state[key]) by(key).value = state[key];
    const [from, to] = [chosen(state.from, state.fromns), chosen(state.to, state.tons)];
    const [sources, targets] = [lines(from, state.fromns), lines(to, state.tons)];
    by("grid").replaceChildren(sources.length && targets.length ? table(sources, targets) : make("p", { class: "empty" }, ends.length ? "Nothing matches." : "There is no workload here."));
    const first = by("grid").querySelector("tbody td");
    first?.setAttribute("tabindex", "0");
    const cut = Math.max(...[from, to].map((some, number) => ([sources, targets][number].some((line) => line.folded) ? 0 : some.length - CUT)));
    by("count").textContent = `${counted(from.length, "row")}, ${counted(to.length, "column")}${cut > 0 ? `; the first ${CUT} are shown` : ""}`;
    by("detail").textContent = "Choose a cell to read it in full.";
    by("clear").disabled = !FIELDS.some((key) => state[key]);
    write();
  };
  const set = (change) => {
    Object.assign(state, change);
    refresh();
  };

  const tell = (td) => by("detail").replaceChildren(name(td.line.said));
  const enter = ({ from, to }) => {
    if (!from.folded && !to.folded) return;
    set({ ...(from.folded ? { fromns: from.ns } : {}), ...(to.folded ? { tons: to.ns } : {}) });
    by("grid").querySelector("[tabindex='0']")?.focus();
  };
  const move = (td, key) => {
    const row = td.parentElement;
    const column = [...row.children].indexOf(td);
    const next = { ArrowRight: td.nextElementSibling, ArrowLeft: td.previousElementSibling, ArrowDown: row.nextElementSibling?.children[column], ArrowUp: row.previousElementSibling?.children[column], Home: row.children[1], End: row.lastElementChild }[key];
    if (next?.tagName !== "TD") return false;
    td.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    return true;
  };
  const listen = () => {
    let waiting = 0;
    for (const key of FIELDS) {
      by(key).addEventListener(by(key).tagName === "SELECT" ? "change" : "input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => set(Object.fromEntries(FIELDS.map((field) => [field, by(field).value]))), 120);
      });
    }
    by("filters").addEventListener("submit", (event) => event.preventDefault());
    by("clear").addEventListener("click", () => set(Object.fromEntries(FIELDS.map((key) => [key, ""]))));
    by("turn").addEventListener("click", () => set({ from: state.to, to: state.from, fromns: state.tons, tons: state.fromns }));
    by("grid").addEventListener("focusin", (event) => event.target.line && tell(event.target));
    by("grid").addEventListener("click", (event) => {
      const td = event.target.closest("td");
      if (!td?.line) return;
      td.focus();
      enter(td.line);
    });
    by("grid").addEventListener("keydown", (event) => {
      if (!event.target.line) return;
      if (event.key === "Enter") enter(event.target.line);
      else if (move(event.target, event.key)) event.preventDefault();
    });
    window.addEventListener("hashchange", () => {
      if (!location.hash.includes("=")) return;
      read();
      refresh();
    });
  };

  const begin = () => {
    themes();
    const sure = [...open.values()].filter((cell) => cell.sure !== undefined).length;
    const unknown = [...open.values()].filter((cell) => cell.unknown !== undefined).length;
    const workloads = ends.filter((end) => end.ns !== data.outside).length;
    by("headline").textContent = `${counted(sure, "open connection")} between ${counted(workloads, "workload")}`;
    document.title = `${by("headline").textContent} - netpol-preflight`;
    const more = unknown ? `${unknown.toLocaleString("en")} cannot be told` : data.hidden ? `${data.hidden.toLocaleString("en")} more cannot be told: --unknown shows them` : "";
    by("facts").textContent = [counted(spaces.filter((space) => space !== data.outside).length, "namespace"), more].filter(Boolean).join("  \u00b7  ");
    for (const key of ["fromns", "tons"]) by(key).append(...spaces.map((space) => make("option", { value: space }, space)));
    if (data.errors.length) {
      by("unreadable").hidden = false;
      by("unreadable").append(make("b", {}, `${counted(data.errors.length, "document")} could not be read, and may change what is said here:`), make("ul", {}, ...data.errors.map((text) => make("li", {}, name(text)))));
    }
    listen();
    read();
    refresh();
  };
  begin();
})();
