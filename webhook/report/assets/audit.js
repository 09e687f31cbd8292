"use strict";
// The audit: what is shown is what the filters let through, in the list and in the graph alike.
(() => {
  const { make, by, name, counted, figure, copier, block, data, graph, themes, tabs } = preflight;
  const VERDICTS = ["denied", "partial", "unknown", "allowed"];
  const MEANS = { denied: "will not get through", partial: "get through in part", unknown: "cannot be told", allowed: "get through" };
  const WORST = (some) => VERDICTS.find((verdict) => some.includes(verdict)) ?? "allowed";
  const PLACES = { missing: "not found", "way in": "ways in" }; // of ends that are in no namespace
  const MOST_NODES = 70; // drawn one by one; more are folded into their namespaces
  const MOST_EDGES = 160;
  const MOST_ARROWS = 120; // between folded namespaces: more are no picture
  const MOST_DRAWN = 2500; // wherever they go

  const { ends, sides, findings, fixes, connections } = data;
  const place = (end) => end.ns || PLACES[end.kind] || "outside the cluster";
  const title = (end) => (end.short ? `${end.short}/${end.name}` : end.name);
  const full = (end) => (end.ns ? `${title(end)} in ${end.ns}` : title(end));
  for (const one of connections) {
    one.about = one.findings.map((number) => findings[number]);
    one.spaces = new Set([one.from, ...one.ends.map(([end]) => end)].map((end) => place(ends[end])));
    one.broken = one.verdict === "denied" || one.verdict === "partial" || one.about.some((found) => found.warns);
    const words = [full(ends[one.from]), one.text, ...one.ends.map(([end]) => full(ends[end])), one.reason, ...one.by];
    one.words = [...words, ...one.about.flatMap((found) => [found.id, found.what, found.todo])].join("\n").toLowerCase();
  }
  const drawnOnes = new Set(connections.flatMap((one) => one.findings));
  const rest = findings.filter((found, number) => !drawnOnes.has(number));
  for (const found of rest) found.words = [found.id, found.what, found.todo, found.ns, ...found.more].join("\n").toLowerCase();
  const known = new Map(connections.map((one) => [one.id, one]));

  // -- what is asked for: in the address behind #, so that a link shows the same ---------------------------------------------

  const state = { q: "", ns: "", id: "", group: "", verdicts: new Set(), focus: null, edge: "", folded: new Map() };
  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const only = [...asked.keys()].every((key) => key === "edge");
    if (!only) {
      for (const key of ["q", "ns", "id", "group"]) state[key] = asked.get(key) ?? "";
      state.verdicts = new Set((asked.get("verdict") ?? "").split(",").filter((verdict) => VERDICTS.includes(verdict)));
      state.focus = null;
    }
    state.edge = known.has(asked.get("edge")) ? asked.get("edge") : "";
    if (state.edge && !passes(known.get(state.edge))) clear();
  };
  const write = () => {
    const asked = new URLSearchParams();
    for (const key of ["q", "ns", "id", "group"]) if (state[key]) asked.set(key, state[key]);
    if (state.verdicts.size) asked.set("verdict", [...state.verdicts].join(","));
    if (state.edge) asked.set("edge", state.edge);
    const hash = asked.toString();
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };
  const clear = () => Object.assign(state, { q: "", ns: "", id: "", verdicts: new Set(), focus: null });

  const isIn = (one) => {
    const { from, to } = state.focus;
    const keys = (end) => [`n${end}`, `s${place(ends[end])}`];
    const starts = keys(one.from);
    const goes = one.ends.flatMap(([end]) => keys(end));
    return to === undefined ? starts.includes(from) || goes.includes(from) : starts.includes(from) && goes.includes(to);
  };
  const passes = (one, verdicts = state.verdicts) =>
    (!verdicts.size || verdicts.has(one.verdict)) &&
    (!state.ns || one.spaces.has(state.ns)) &&
    (!state.id || one.about.some((found) => found.id === state.id)) &&
    (!state.focus || isIn(one)) &&
    (!state.q || state.q.toLowerCase().split(/\s+/).every((word) => one.words.includes(word)));
  const shown = () => connections.filter((one) => passes(one));

  // -- one connection ---------------------------------------------------------------------------------------------------

  const end = (number) => make("span", { class: "end" }, name(title(ends[number])), ends[number].ns ? " " : null, ends[number].ns ? make("small", {}, name(ends[number].ns)) : null);
  const badge = (verdict) => make("span", { class: `badge ${verdict}` }, verdict);
  const items = new Map();
  const item = (one) => {
    if (!items.has(one.id)) items.set(one.id, made(one));
    return items.get(one.id);
  };
  const made = (one) => {
    const details = make(
      "details",
      { class: `connection ${one.verdict}` },
      make(
        "summary",
        {},
        badge(one.verdict),
        " ",
        make("span", { class: "way" }, end(one.from), " ", make("span", { class: "to" }, "\u2192"), " ", name(one.text, { class: "target" })),
        " ",
        make(
          "span",
          { class: "meta" },
          one.by.length && one.verdict !== "allowed" ? make("span", {}, "by ", ...list(one.by.slice(0, 2)), one.by.length > 2 ? ` and ${one.by.length - 2} more ` : " ") : null,
          one.source === "annotation" ? null : make("span", { class: "tag" }, one.source),
          ...one.about.flatMap((found) => [" ", make("span", { class: `tag ${found.severity}` }, found.id)]),
        ),
      ),
    );
    details.addEventListener("toggle", () => fill(details, one));
    return make("li", { id: `c-${one.id}`, class: "item" }, details);
  };
  const list = (names) => names.flatMap((text, number) => [number ? ", " : "", name(text, { class: "policy" })]);
  const fill = (details, one) => {
    if (details.childElementCount > 1) return;
    const numbers = [...new Set(one.about.map((found) => found.fix).filter((number) => number !== null))];
    details.append(
      make(
        "div",
        { class: "body" },
        ...one.about.map((found) => told(found, false)),
        ...[...new Set(one.about.map((found) => found.where).filter(Boolean))].map((where) => make("p", { class: "more" }, "In ", name(where))),
        one.reason && !one.about.length ? make("p", { class: "told" }, prose(one.reason)) : null,
        ...one.steps.map((step) => way(one, step)),
        ...one.notes.map((note) => make("p", { class: "note" }, "Note: ", name(note))),
        ...numbers.flatMap((number) => [make("h3", {}, "Fix", make("small", {}, " apply with kubectl apply -f -")), block(fixes[number], "Fix")]),
        one.ask ? make("h3", {}, "The same on a terminal") : null,
        one.ask ? block(one.ask, "Command") : null,
        make("p", { class: "links" }, make("a", { href: `#edge=${one.id}` }, "Link to this connection"), copier("Copy link", () => `${location.href.split("#")[0]}#edge=${one.id}`)),
      ),
    );
  };
  const prose = (text) => make("bdi", {}, ...text.split("`").map((part, number) => (number % 2 ? make("code", {}, part) : part)));
  const told = (found, place = true) =>
    make(
      "div",
      { class: `finding ${found.severity}` },
      make("p", {}, make("span", { class: `tag ${found.severity}` }, found.id), " ", prose(found.what)),
      ...found.more.map((more) => make("p", { class: "more" }, prose(more))),
      found.fix === null ? make("p", { class: "todo" }, make("b", {}, "What to do: "), prose(found.todo)) : null,
      place && found.where ? make("p", { class: "more" }, name(found.where)) : null,
    );
  const way = (one, step) => {
    const [egress, ingress] = step.sides.map((number) => sides[number]);
    const stop = (side) =>
      make(
        "li",
        { class: `gate ${side.verdict}` },
        make("p", {}, make("b", {}, side.direction), " ", badge(side.verdict)),
        make("p", {}, name(side.why)),
        ...side.more.map((more) => make("p", { class: "more" }, name(more))),
      );
    return make(
      "div",
      { class: "step" },
      make("p", { class: "step-head" }, "On ", make("b", {}, step.ports), ": ", badge(step.verdict)),
      make(
        "ol",
        { class: "path" },
        make("li", { class: "pod" }, name(full(ends[one.from]))),
        stop(egress),
        step.service ? make("li", { class: "pod service" }, `Service ${step.service}`) : null,
        ingress ? stop(ingress) : null,
        make("li", { class: "pod" }, name(step.to)),
      ),
      ...step.notes.map((note) => make("p", { class: "note" }, name(note))),
    );
  };

  // -- the list -------------------------------------------------------------------------------------------------------------

  const GROUPS = [
    ["broken", "Broken", (one) => one.broken],
    ["unknown", "Cannot be told", (one) => !one.broken && one.verdict === "unknown"],
    ["fine", "Get through", (one) => !one.broken && one.verdict !== "unknown"],
  ];
  const KEYS = { workload: (one) => full(ends[one.from]), policy: (one) => one.by.join(", ") || "no policy" };
  const inner = (some) => {
    const of = KEYS[state.group];
    if (!of) return [make("ul", { class: "items" }, ...some.map(item))];
    const parts = grouped(some, of);
    return [...parts].flatMap(([key, every]) => [make("h3", {}, name(key), make("small", {}, ` ${every.length}`)), make("ul", { class: "items" }, ...every.map(item))]);
  };
  const grouped = (some, of) => {
    const parts = new Map();
    for (const one of some) {
      const key = of(one);
      if (!parts.has(key)) parts.set(key, []);
      parts.get(key).push(one);
    }
    return parts;
  };
  const drawList = (some) => {
    const parts = GROUPS.map(([key, title, belongs]) => {
      const every = some.filter(belongs);
      if (!every.length) return null;
      const inside = make("div", {});
      const head = make("summary", {}, make("h2", {}, `${title} `, make("small", {}, figure(every.length))));
      const part = make("details", { class: `part ${key}`, "data-part": key }, head, inside);
      const build = () => inside.childElementCount || inside.append(...inner(every));
      part.addEventListener("toggle", build);
      part.build = build;
      if (key !== "fine" || state.verdicts.has("allowed") || some.length <= 12) {
        part.open = true;
        build();
      }
      return part;
    });
    const none = connections.length ? "No connection matches." : "Nothing here declares what it connects to.";
    by("list").replaceChildren(...(some.length ? parts.filter(Boolean) : [make("p", { class: "empty" }, none)]));
  };

  // -- the other views ------------------------------------------------------------------------------------------------------

  const drawRest = () => {
    const words = state.q.toLowerCase().split(/\s+/);
    const some = rest.filter((found) => (!state.ns || found.ns === state.ns) && (!state.id || found.id === state.id) && words.every((word) => found.words.includes(word)));
    const one = (found) => make("li", { class: "item" }, told(found), found.fix === null ? null : make("details", { class: "policies" }, make("summary", {}, "Fix"), block(fixes[found.fix], "Fix")));
    by("rest").replaceChildren(some.length ? make("ul", { class: "items" }, ...some.map(one)) : make("p", { class: "empty" }, rest.length ? "No finding matches." : "Nothing is wrong with policies or namespaces."));
    by("tab-rest").querySelector("b").textContent = figure(some.length);
  };
  const drawSpaces = () => {
    const rows = [...grouped(connections, (one) => place(ends[one.from]))].sort(([a], [b]) => (a < b ? -1 : 1)).map(([space, every]) => {
      const cells = VERDICTS.map((verdict) => [verdict, every.filter((one) => one.verdict === verdict).length]);
      const choose = make("button", { type: "button", class: "plain", onclick: () => set({ ns: space }) }, name(space));
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, choose),
        make("td", {}, new Set(every.map((one) => one.from)).size),
        ...cells.map(([verdict, number]) => make("td", { class: number ? verdict : "none" }, number || "\u2013")),
      );
    });
    const head = ["Namespace", "Workloads", ...VERDICTS].map((text) => make("th", { scope: "col" }, text));
    by("spaces").replaceChildren(make("table", {}, make("caption", { class: "away" }, "Connections by the namespace they start from"), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
    by("tab-spaces").querySelector("b").textContent = rows.length;
  };
  const drawFixes = () => {
    const many = data.everyFix.split(/^---$/m).filter((text) => text.trim()).length;
    by("tab-fixes").querySelector("b").textContent = figure(many);
    const text = "Everything that is needed, each policy once. Nothing else is opened, but as the notes at a connection say.";
    by("fixes").replaceChildren(...(data.everyFix ? [make("p", { class: "told" }, text, " Apply with ", make("code", {}, "kubectl apply -f -"), "."), block(data.everyFix, "All fixes")] : [make("p", { class: "empty" }, "There is nothing to fix that a policy could.")]));
  };

  const observed = ({ title, text, head, rows }) => {
    if (title) return make("h2", {}, name(title));
    if (text) return make("p", { class: "told" }, name(text));
    const heads = head.map((one) => make("th", { scope: "col" }, one.toLowerCase()));
    const cells = (row) => row.map((one) => make("td", {}, name(one)));
    return make("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Flows" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row))))));
  };

  // -- the graph ------------------------------------------------------------------------------------------------------------

  const picture = graph(by("graph"), { open: (key) => open(key), fold: (key) => toggle(key.slice(1), true) });
  let drawn = { edges: [] };
  const toggle = (space, folded) => {
    state.folded.set(space, folded);
    drawGraph(shown());
  };
  const open = (key) => {
    const edge = drawn.edges.find((one) => one.key === key);
    if (edge) return set({ focus: { from: edge.from, to: edge.to } });
    if (key.startsWith("s")) return look(key.slice(1));
    return set({ focus: state.focus?.from === key && state.focus.to === undefined ? null : { from: key } });
  };
  const look = (space) => {
    state.focus = { from: `s${space}` };
    state.folded = new Map(ends.map((one) => [place(one), place(one) !== space])); // the others stay as they were seen
    refresh();
  };
  const drawGraph = (some) => {
    const pairs = some.flatMap((one) => one.ends.map(([to, verdict]) => ({ one, from: one.from, to, verdict })));
    const used = [...new Set(pairs.flatMap((pair) => [pair.from, pair.to]))];
    const crowded = used.length > MOST_NODES || new Set(pairs.map((pair) => `${pair.from} ${pair.to}`)).size > MOST_EDGES;
    const folds = (space) => state.folded.get(space) ?? crowded;
    const key = (number) => (folds(place(ends[number])) ? `s${place(ends[number])}` : `n${number}`);
    const joined = grouped(pairs, (pair) => `${key(pair.from)} > ${key(pair.to)}`);
    const edges = [];
    const inside = new Map();
    for (const [which, every] of joined) {
      const [from, to] = [key(every[0].from), key(every[0].to)];
      const about = [...new Set(every.map((pair) => pair.one))];
      if (from === to && from.startsWith("s")) inside.set(from, about);
      else edges.push(arrow(which, from, to, every, about));
    }
    const weight = (edge) => VERDICTS.indexOf(edge.verdict) * 1e6 - edge.about.length;
    const most = used.every((number) => folds(place(ends[number]))) ? MOST_ARROWS : MOST_DRAWN;
    const left = Math.max(0, edges.length - most);
    if (left) edges.sort((a, b) => weight(a) - weight(b)).splice(most);
    const kept = new Set(edges.flatMap((edge) => [edge.from, edge.to]));
    const spaces = [...new Set(used.map((number) => place(ends[number])))];
    const members = grouped(used, key);
    const touching = new Map(); // box -> the pairs that begin or end there
    for (const pair of pairs) {
      for (const box of new Set([key(pair.from), key(pair.to)])) {
        if (!touching.has(box)) touching.set(box, []);
        touching.get(box).push(pair);
      }
    }
    const nodes = [...members.keys()]
      .filter((node) => !left || kept.has(node) || node.startsWith("s"))
      .map((node) => (node.startsWith("s") ? folded(node, members.get(node), touching.get(node), inside) : single(Number(node.slice(1)), touching.get(node))));
    const open_ = spaces.filter((space) => nodes.some((node) => node.space === `c${space}`)).map((space) => ({ key: `c${space}`, label: space, foldable: true }));
    drawn = { nodes, edges, spaces: open_, left };
    picture.update(drawn);
    by("unfold").hidden = !spaces.some(folds);
    by("fold").hidden = spaces.every(folds);
    mark();
  };
  const arrow = (key, from, to, every, about) => {
    const verdict = WORST(every.map((pair) => pair.verdict));
    const broken = about.filter((one) => one.verdict === "denied" || one.verdict === "partial").length;
    const ends_ = from.startsWith("s") || to.startsWith("s") ? `${from.startsWith("s") ? from.slice(1) : full(ends[every[0].from])} to ${to.startsWith("s") ? to.slice(1) : full(ends[every[0].to])}` : `${full(ends[every[0].from])} to ${full(ends[every[0].to])}`;
    const what = about.length === 1 ? `${about[0].text}, ${verdict}` : `${counted(about.length, "connection")}, ${broken ? `${broken} broken` : verdict}`;
    return {
      key,
      from,
      to,
      verdict,
      thin: about.every((one) => one.source === "inferred"),
      count: about.length,
      badge: broken && broken < about.length ? `${broken}/${about.length}` : undefined,
      href: about.length === 1 ? `#edge=${about[0].id}` : null,
      about,
      title: `${ends_}: ${what}`,
    };
  };
  const single = (number, touching) => {
    const one = ends[number];
    const kind = one.short ? "workload" : one.kind === "missing" ? "missing" : "beyond";
    return {
      key: `n${number}`,
      label: one.name,
      sub: one.short ? one.kind : one.kind === "missing" ? "not found" : one.kind,
      space: `c${place(one)}`,
      kind,
      verdict: WORST(touching.map((pair) => pair.verdict)),
      title: `${full(one)}: ${counted(touching.length, "connection")}`,
    };
  };
  const folded = (key, members, touching, inside) => {
    const space = key.slice(1);
    const many = members.length;
    const own = inside.get(key)?.length ?? 0;
    const word = PLACES[ends[members[0]].kind] || space === "outside the cluster" ? "end" : "workload";
    return {
      key,
      label: space,
      sub: `${counted(many, word)}${own ? `, ${own} inside` : ""}  +`,
      kind: "space",
      verdict: WORST(touching.map((pair) => pair.verdict)),
      title: `${space}: ${counted(many, word)}, ${counted(touching.length, "connection")}; look inside`,
    };
  };
  const mark = () => picture.choose(new Set(drawn.edges.filter((edge) => edge.about.some((one) => one.id === state.edge)).map((edge) => edge.key)));

  // -- everything together --------------------------------------------------------------------------------------------------

  const views = tabs(by("tabs"));
  const refresh = () => {
    const some = shown();
    for (const key of ["q", "ns", "id", "group"]) if (by(key).value !== state[key]) by(key).value = state[key];
    for (const tile of by("tiles").children) {
      const { verdict } = tile.dataset;
      tile.setAttribute("aria-pressed", String(state.verdicts.has(verdict)));
      tile.querySelector("b").textContent = figure(connections.filter((one) => one.verdict === verdict && passes(one, new Set())).length);
    }
    by("count").textContent = `${figure(some.length)} of ${figure(connections.length)} shown`;
    by("tab-list").querySelector("b").textContent = figure(some.length);
    const said = state.focus && [state.focus.from, state.focus.to].filter(Boolean).map((key) => (key.startsWith("s") ? key.slice(1) : title(ends[Number(key.slice(1))])));
    by("focus").hidden = !said;
    by("focus").replaceChildren(...(said ? ["only ", name(said.join(" \u2192 "))] : []));
    by("clear").disabled = !(state.q || state.ns || state.id || state.verdicts.size || state.focus);
    drawList(some);
    drawRest();
    drawGraph(some);
    write();
  };
  const set = (change) => {
    Object.assign(state, change, { folded: new Map() });
    refresh();
  };
  const showEdge = () => {
    if (!state.edge) return;
    views.show("tab-list");
    const one = known.get(state.edge);
    const part = by("list").querySelector(`[data-part=${GROUPS.find(([, , belongs]) => belongs(one))[0]}]`);
    part.open = true;
    part.build();
    for (const other of document.querySelectorAll(".item.chosen")) other.classList.remove("chosen");
    const element = item(one);
    element.classList.add("chosen");
    const details = element.firstElementChild;
    details.open = true;
    fill(details, one);
    details.firstElementChild.focus({ preventScroll: true });
    element.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    mark();
  };

  const numbers = Object.fromEntries(VERDICTS.map((verdict) => [verdict, connections.filter((one) => one.verdict === verdict).length]));
  const headline = () => {
    const all = connections.length;
    const broken = numbers.denied + numbers.partial;
    if (!all) return "Nothing declares what it connects to";
    if (all === 1 && broken) return `The one connection ${numbers.denied ? "will not get" : "gets"} through${numbers.denied ? "" : " in part only"}`;
    if (numbers.denied) return `${figure(numbers.denied)} of ${figure(all)} connections will not get through`;
    if (broken) return `${figure(broken)} of ${figure(all)} connections get through in part only`;
    return numbers.unknown ? `Nothing is broken; of ${figure(numbers.unknown)} of ${counted(all, "connection")} it cannot be told` : `${all === 1 ? "The one connection gets" : `All ${figure(all)} connections get`} through`;
  };
  const begin = () => {
    themes();
    document.title = `${headline()} - netpol-preflight`;
    by("headline").textContent = headline();
    by("world").append(name(data.world));
    const { error, warning, info, exempt } = data.counts;
    const spaces = new Set(connections.map((one) => place(ends[one.from])));
    const facts = [counted(data.checked, "workload"), counted(spaces.size, "namespace"), counted(error, "error"), counted(warning, "warning"), `${info} for information`, ...(exempt ? [`${exempt} exempted`] : [])];
    by("facts").textContent = facts.join("  \u00b7  ");
    by("bar").append(...VERDICTS.filter((verdict) => numbers[verdict]).map((verdict) => make("i", { class: verdict })));
    [...by("bar").children].forEach((part) => { part.style.flexGrow = numbers[part.className]; });
    by("tiles").append(
      ...VERDICTS.map((verdict) =>
        make("button", { type: "button", class: `tile ${verdict}`, "data-verdict": verdict, "aria-pressed": "false", onclick: () => set({ verdicts: new Set([...state.verdicts].filter((one) => one !== verdict).concat(state.verdicts.has(verdict) ? [] : verdict)) }) }, make("b", {}, figure(numbers[verdict])), make("span", {}, verdict), make("small", {}, MEANS[verdict])),
      ),
    );
    if (data.errors.length) {
      by("unreadable").hidden = false;
      by("unreadable").append(make("b", {}, `${counted(data.errors.length, "document")} could not be read, and may change what is said here:`), make("ul", {}, ...data.errors.map((text) => make("li", {}, name(text)))));
    }
    const options = (some) => some.sort().map((text) => make("option", { value: text }, text));
    by("ns").append(...options([...new Set([...connections.flatMap((one) => [...one.spaces]), ...rest.map((found) => found.ns)])].filter(Boolean)));
    by("id").append(...options([...new Set(findings.map((found) => found.id))]));
    if (data.observed.length) {
      by("tab-seen").hidden = false;
      by("seen").append(...data.observed.map(observed));
    }
    listen();
    drawSpaces();
    drawFixes();
    read();
    refresh();
    showEdge();
  };
  const listen = () => {
    let waiting = 0;
    by("q").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => set({ q: by("q").value.trim() }), 120);
    });
    for (const key of ["ns", "id", "group"]) by(key).addEventListener("change", () => set({ [key]: by(key).value }));
    by("clear").addEventListener("click", () => {
      clear();
      state.folded = new Map();
      refresh();
    });
    by("filters").addEventListener("submit", (event) => event.preventDefault());
    by("in").addEventListener("click", () => picture.zoom(1.25));
    by("out").addEventListener("click", () => picture.zoom(0.8));
    by("fit").addEventListener("click", () => picture.fit());
    const all = (yes) => () => {
      state.folded = new Map(ends.map((one) => [place(one), yes]));
      drawGraph(shown());
    };
    by("fold").addEventListener("click", all(true));
    by("unfold").addEventListener("click", all(false));
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
        event.preventDefault();
        by("q").focus();
      }
    });
    window.addEventListener("hashchange", () => {
      if (!location.hash.includes("=")) return;
      read();
      refresh();
      showEdge();
    });
    window.addEventListener("beforeprint", () => {
      for (const part of document.querySelectorAll(".part")) {
        part.build();
        part.open = true;
      }
      for (const one of shown().filter((each) => each.broken)) {
        const details = item(one).firstElementChild;
        details.open = true;
        fill(details, one);
      }
    });
  };
  begin();
})();
