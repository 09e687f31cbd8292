"use strict";
// The graph: dagre, or where there are no layers to see d3-force, says where everything goes; this draws it, and moves
// what is seen of it.
// A model is {nodes, edges, spaces}, each with a `key`; edges name nodes by `from` and `to`, nodes their space by `space`.
(() => {
  const { make, draw, counted } = preflight;
  const HEIGHT = 40;
  const WIDEST = 26; // characters of a name; the whole stands in the title
  const measure = (() => {
    const context = document.createElement("canvas").getContext("2d");
    const known = new Map();
    return (text, font) => {
      const key = `${font}|${text}`;
      if (!known.has(key)) {
        context.font = font;
        known.set(key, context.measureText(text).width);
      }
      return known.get(key);
    };
  })();
  const short = (text, most = WIDEST) =>
    text.length <= most ? text : `${text.slice(0, Math.ceil(most / 2))}\u2026${text.slice(-Math.floor(most / 2) + 1)}`;

  const sized = (node) => {
    const width = Math.max(measure(short(node.label), "600 13px system-ui"), measure(node.sub, "11px system-ui")) + 30;
    return { width: Math.max(96, width), height: HEIGHT };
  };
  const layers = (model) => {
    const graph = new dagre.graphlib.Graph({ compound: true });
    graph.setGraph({ rankdir: "LR", nodesep: 30, ranksep: 80, edgesep: 10, ranker: model.edges.length > 60 ? "tight-tree" : "network-simplex", marginx: 16, marginy: 30 });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const space of model.spaces) graph.setNode(space.key, {});
    for (const node of model.nodes) {
      graph.setNode(node.key, sized(node));
      if (node.space) graph.setParent(node.key, node.space);
    }
    for (const edge of model.edges) graph.setEdge(edge.from, edge.to, {});
    try {
      dagre.layout(graph);
    } catch {
      return null; // it finds no way for some arrow: an error of its own, met in graphs with many
    }
    const ways = new Map(model.edges.map((edge) => [edge.key, graph.edge(edge.from, edge.to).points]));
    return { size: graph.graph(), node: (key) => graph.node(key), way: (edge) => ways.get(edge.key) };
  };

  // Many arrows in circles have no layers: boxes that are joined draw each other near, and all keep their distance.
  const ROUND = 1.5; // arrows for a box; with more, layers are no picture
  const MANY = 120; // boxes: dagre would take seconds
  const FEW = 40; // arrows that dagre puts in layers at once, whatever they are
  const spread = (boxes, pairs, wide) => {
    for (const one of boxes) one.degree = 0;
    const links = pairs.filter(([from, to]) => from !== to).map(([source, target]) => ({ source, target }));
    for (const { source, target } of links) for (const end of [source, target]) end.degree += 1;
    const radius = (one) => (one.inner ? Math.hypot(one.width, one.height) / 2 : Math.max(one.width, one.height) / 2 + 6);
    d3.forceSimulation(boxes)
      .force("link", d3.forceLink(links).distance((link) => 70 + radius(link.source) + radius(link.target)).strength((link) => 0.6 / Math.min(link.source.degree, link.target.degree)))
      .force("apart", d3.forceManyBody().strength((one) => -16 * radius(one)))
      .force("room", d3.forceCollide(radius))
      .force("x", d3.forceX().strength(0.09 / wide))
      .force("y", d3.forceY().strength(0.09 * wide))
      .stop()
      .tick(200);
    return framed(boxes);
  };
  const framed = (boxes) => {
    const least = (side) => Math.min(...boxes.map(side));
    const left = least((one) => one.x - one.width / 2) - 20;
    const top = least((one) => one.y - one.height / 2) - 20;
    for (const one of boxes) Object.assign(one, { x: one.x - left, y: one.y - top });
    return { width: 20 - least((one) => -one.x - one.width / 2), height: 20 - least((one) => -one.y - one.height / 2) };
  };
  // Each namespace by itself, and then the namespaces as boxes among each other.
  const settle = (model, box) => {
    const wide = Math.max(0.4, Math.min(2.5, box.clientWidth / Math.max(1, box.clientHeight)));
    const places = new Map(model.nodes.map((node) => [node.key, { ...sized(node), x: NaN, y: NaN, space: node.space }]));
    const ends = model.edges.map((edge) => [places.get(edge.from), places.get(edge.to)]);
    const rooms = new Map();
    for (const space of model.spaces) {
      const inner = [...places.values()].filter((one) => one.space === space.key);
      const size = spread(inner, ends.filter(([from, to]) => from.space === space.key && to.space === space.key), 1.5);
      rooms.set(space.key, { width: size.width, height: size.height + 14, inner });
    }
    const outer = (one) => rooms.get(one.space) ?? one;
    const boxes = [...new Set([...places.values()].map(outer))];
    const size = boxes.length > 1 ? spread(boxes, ends.map((pair) => pair.map(outer)), wide) : framed(boxes.map((one) => Object.assign(one, { x: 0, y: 0 })));
    for (const room of rooms.values()) {
      for (const one of room.inner) Object.assign(one, { x: one.x + room.x - room.width / 2, y: one.y + room.y - room.height / 2 + 14 });
    }
    return { size, node: (key) => places.get(key) ?? rooms.get(key), way: (edge) => bow(places.get(edge.from), places.get(edge.to)) };
  };
  const LEGIBLE = 0.5; // of the size that text is meant to have
  const arrange = (model, box) => {
    const scale = ({ size }) => Math.min(box.clientWidth / size.width, box.clientHeight / size.height);
    const many = model.nodes.length > MANY || (model.edges.length > FEW && model.edges.length > ROUND * model.nodes.length);
    const layered = many ? null : layers(model);
    if (layered && (scale(layered) >= LEGIBLE || model.nodes.length < 4)) return layered;
    const settled = settle(model, box);
    return layered && scale(layered) >= scale(settled) ? layered : settled;
  };
  // From border to border, bent to the right of its direction: the way there and back are two.
  const bow = (from, to) => {
    if (from === to) return loop(from);
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const far = Math.hypot(dx, dy) || 1;
    const bend = { x: (from.x + to.x) / 2 - (dy / far) * Math.min(26, far / 8), y: (from.y + to.y) / 2 + (dx / far) * Math.min(26, far / 8) };
    return [border(from, bend), bend, border(to, bend)];
  };
  const loop = ({ x, y, width, height }) => [
    { x: x + width / 2 - 18, y: y - height / 2 },
    { x: x + width / 2 - 10, y: y - height / 2 - 26 },
    { x: x + width / 2 + 26, y: y - height / 2 - 10 },
    { x: x + width / 2, y: y - height / 2 + 14 },
  ];
  const border = (node, toward) => {
    const [dx, dy] = [toward.x - node.x, toward.y - node.y];
    const reach = Math.min(node.width / 2 / Math.abs(dx || 1e-9), node.height / 2 / Math.abs(dy || 1e-9));
    return { x: node.x + dx * reach, y: node.y + dy * reach };
  };

  // Through the middles of the way that dagre found: round, and never outside it.
  const path = (points) => {
    const at = (p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`;
    const middle = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
    let text = `M${at(points[0])}`;
    for (let n = 1; n < points.length - 1; n += 1) {
      const end = n === points.length - 2 ? points[n + 1] : middle(points[n], points[n + 1]);
      text += `Q${at(points[n])} ${at(end)}`;
    }
    return points.length === 2 ? `${text}L${at(points[1])}` : text;
  };
  const center = (points) => {
    const half = points.length / 2;
    if (points.length % 2) return points[Math.floor(half)];
    return { x: (points[half - 1].x + points[half].x) / 2, y: (points[half - 1].y + points[half].y) / 2 };
  };

  const drawEdge = (edge, points) => {
    const way = path(points);
    const { x, y } = center(points);
    const attributes = { class: `edge ${edge.verdict}${edge.thin ? " thin" : ""}`, "data-key": edge.key, "aria-label": edge.title, tabindex: "-1" };
    return draw(
      "a",
      edge.href ? { ...attributes, href: edge.href } : { ...attributes, role: "button" },
      draw("title", {}, edge.title),
      draw("path", { class: "hit", d: way }),
      draw("path", { class: `line ${edge.verdict}${edge.thin ? " thin" : ""}`, d: way, "marker-end": `url(#arrow-${edge.verdict})` }),
      edge.verdict === "denied" ? draw("path", { class: "cross", d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8` }) : null,
      edge.count > 1 ? draw("text", { class: "times", x, y: y - 7 }, edge.badge ?? `\u00d7${edge.count}`) : null,
    );
  };

  const drawNode = (node, { x, y, width, height }) => {
    const left = x - width / 2;
    const top = y - height / 2;
    return draw(
      "g",
      { class: `node ${node.kind} ${node.verdict}`, role: "button", tabindex: "-1", "data-key": node.key, "aria-label": node.title },
      draw("title", {}, node.title),
      node.kind === "space" ? draw("rect", { class: "behind", x: left + 4, y: top + 4, width, height, rx: 8 }) : null,
      draw("rect", { class: "box", x: left, y: top, width, height, rx: 8 }),
      draw("rect", { class: "stripe", x: left, y: top + 8, width: 4, height: height - 16, rx: 2 }),
      draw("text", { class: "label", x: left + 14, y: y - 2 }, short(node.label)),
      draw("text", { class: "sub", x: left + 14, y: y + 13 }, node.sub),
    );
  };

  const drawSpace = (space, { x, y, width, height }) => {
    const left = x - width / 2 - 6;
    const top = y - height / 2 - 6;
    const text = short(space.label, 40);
    const group = draw(
      "g",
      { class: "space", ...(space.foldable ? { role: "button", tabindex: "-1", "data-space": space.key, "aria-label": `Fold ${space.label}` } : {}) },
      draw("rect", { class: "room", x: left, y: top, width: width + 12, height: height + 8, rx: 12 }),
      draw("text", { class: "name", x: left + 12, y: top + 18 }, space.foldable ? `${text}  \u2212` : text),
    );
    return group;
  };

  const arrows = () =>
    draw(
      "defs",
      {},
      ...["denied", "partial", "unknown", "allowed"].map((verdict) =>
        draw(
          "marker",
          { id: `arrow-${verdict}`, class: `arrow ${verdict}`, viewBox: "0 0 10 10", refX: "9", refY: "5", markerWidth: "9", markerHeight: "9", markerUnits: "userSpaceOnUse", orient: "auto" },
          draw("path", { d: "M0 1 10 5 0 9z" }),
        ),
      ),
    );

  preflight.graph = (box, { open, fold }) => {
    const view = draw("g", {});
    const picture = draw("svg", { role: "group", class: "picture", tabindex: "-1" }, arrows(), view);
    const empty = make("p", { class: "empty", hidden: true }, "Nothing to draw: no connection matches.");
    const cut = make("p", { class: "cut", hidden: true });
    box.append(picture, empty, cut);
    let seen = { x: 0, y: 0, scale: 1 };
    let size = { width: 1, height: 1 };

    const look = () => view.setAttribute("transform", `translate(${seen.x.toFixed(2)} ${seen.y.toFixed(2)}) scale(${seen.scale.toFixed(4)})`);
    const zoom = (factor, px = box.clientWidth / 2, py = box.clientHeight / 2) => {
      const scale = Math.min(3, Math.max(0.08, seen.scale * factor));
      seen = { scale, x: px - ((px - seen.x) * scale) / seen.scale, y: py - ((py - seen.y) * scale) / seen.scale };
      look();
    };
    const fit = () => {
      const { clientWidth: width, clientHeight: height } = box;
      const scale = Math.min(1.15, width / size.width, height / size.height);
      seen = { scale, x: (width - size.width * scale) / 2, y: (height - size.height * scale) / 2 };
      look();
    };

    // -- one stop of the Tab key: arrow keys move between what is drawn --------------------------------------------------
    const stops = () => [...view.querySelectorAll("[tabindex]")];
    const stop = (target, focus) => {
      for (const one of view.querySelectorAll("[tabindex='0']")) one.setAttribute("tabindex", "-1");
      target?.setAttribute("tabindex", "0");
      if (focus) target?.focus({ preventScroll: true });
    };
    const show = (element) => {
      const at = element.getBoundingClientRect();
      const frame = box.getBoundingClientRect();
      if (at.left >= frame.left && at.right <= frame.right && at.top >= frame.top && at.bottom <= frame.bottom) return;
      seen.x += frame.left + frame.width / 2 - (at.left + at.width / 2);
      seen.y += frame.top + frame.height / 2 - (at.top + at.height / 2);
      look();
    };
    const act = (element) => {
      if (element.dataset.space) fold(element.dataset.space);
      else open(element.dataset.key);
    };
    view.addEventListener("keydown", (event) => {
      const every = stops();
      const here = every.indexOf(event.target);
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        stop(every[(here + step + every.length) % every.length], true);
        show(document.activeElement);
      } else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.25 : 0.8);
      else if (event.key === "0") fit();
      else if ((event.key === "Enter" || event.key === " ") && event.target.getAttribute("role") === "button") {
        event.preventDefault();
        act(event.target);
      }
    });

    // -- the pointer: a click opens, a drag moves ------------------------------------------------------------------------
    let from = null;
    let moved = false;
    picture.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX - seen.x, y: event.clientY - seen.y };
      moved = false;
    });
    window.addEventListener("pointermove", (event) => {
      if (!from) return;
      const x = event.clientX - from.x;
      const y = event.clientY - from.y;
      if (!moved && Math.hypot(x - seen.x, y - seen.y) < 4) return;
      moved = true;
      seen = { ...seen, x, y };
      look();
    });
    window.addEventListener("pointerup", () => {
      from = null;
    });
    picture.addEventListener("dragstart", (event) => event.preventDefault()); // edges are links
    picture.addEventListener("click", (event) => {
      if (moved) event.preventDefault();
      const target = event.target.closest("[role=button]");
      if (!moved && target) act(target);
    });
    picture.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
        event.preventDefault();
        const frame = box.getBoundingClientRect();
        zoom(Math.exp(-event.deltaY / 300), event.clientX - frame.left, event.clientY - frame.top);
      },
      { passive: false },
    );

    // -- who is looked at: its edges and their ends stand out -------------------------------------------------------------
    let edges = [];
    const near = (key) => {
      const touched = new Set(key ? [key] : []);
      for (const edge of edges) {
        const hit = edge.key === key || edge.from === key || edge.to === key;
        if (hit) for (const one of [edge.key, edge.from, edge.to]) touched.add(one);
      }
      picture.classList.toggle("looking", touched.size > 1);
      for (const one of view.querySelectorAll("[data-key]")) one.classList.toggle("near", touched.has(one.dataset.key));
    };
    const over = (event) => near(event.target.closest?.("[data-key]")?.dataset.key ?? null);
    view.addEventListener("pointerover", over);
    picture.addEventListener("pointerleave", () => near(null));
    view.addEventListener("focusin", over);
    view.addEventListener("focusout", () => near(null));

    const update = (model) => {
      empty.hidden = model.nodes.length > 0;
      picture.toggleAttribute("hidden", !model.nodes.length);
      cut.hidden = !model.left;
      cut.textContent = model.left ? `${counted(model.edges.length, "arrow")} drawn, what is broken first; ${model.left.toLocaleString("en")} more where you search, filter or choose a namespace` : "";
      view.replaceChildren();
      edges = model.edges;
      picture.setAttribute("aria-label", `Graph: ${counted(model.edges.length, "arrow")} between ${counted(model.nodes.length, "box", "boxes")}; the list says the same`);
      if (!model.nodes.length) return;
      const placed = arrange(model, box);
      size = placed.size;
      const rank = { allowed: 0, unknown: 1, partial: 2, denied: 3 };
      view.append(
        ...model.spaces.map((space) => drawSpace(space, placed.node(space.key))),
        ...[...model.edges].sort((a, b) => rank[a.verdict] - rank[b.verdict]).map((edge) => drawEdge(edge, placed.way(edge))),
        ...model.nodes.map((node) => drawNode(node, placed.node(node.key))),
      );
      stop(view.querySelector("[tabindex]"));
      fit();
    };
    const choose = (keys) => {
      for (const one of view.querySelectorAll(".edge")) one.classList.toggle("chosen", keys.has(one.dataset.key));
      const first = view.querySelector(".edge.chosen");
      if (first) show(first);
    };
    new ResizeObserver(() => view.childElementCount && fit()).observe(box);
    return { update, choose, zoom, fit };
  };
})();
