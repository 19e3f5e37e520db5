// Puts the chat on another site's page: a button in the corner, and a panel with a frame in it.
//
//   <script src="https://desk.example/widget.js" data-token-url="/chat-token" async></script>
//
// or, without data-token-url, `Registro.start({ token: async () => "…" })`. docs/embed.md says more.
(() => {
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const desk = new URL(script.src).origin;
  /** Milliseconds in which the frame has to answer. */
  const PATIENCE = 20_000;
  /** A token is asked for anew when it is good for less than these seconds. */
  const AHEAD = 60;
  const PHONE = matchMedia("(max-width: 480px)");

  /** @type {Record<string, Record<string, string>>} */
  const TEXTS = {
    es: { open: "Abrir el chat", close: "Cerrar el chat", chat: "Chat con soporte", one: "1 mensaje sin leer", many: "{number} mensajes sin leer" },
    en: { open: "Open the chat", close: "Close the chat", chat: "Chat with support", one: "1 unread message", many: "{number} unread messages" },
  };

  const STYLE = `
    :host { all: initial; color-scheme: light dark; --accent: light-dark(#3b5bdb, #91a7ff); --on: light-dark(#ffffff, #10142a);
      --paper: light-dark(#ffffff, #14171d); --line: light-dark(#dfe2e8, #2a303b); --bad: light-dark(#b42318, #ff8f85); --on-bad: light-dark(#ffffff, #3a1a19); }
    :host([data-theme="light"]) { color-scheme: light; }
    :host([data-theme="dark"]) { color-scheme: dark; }
    [hidden] { display: none !important; }
    button { position: fixed; inset: auto 20px max(20px, env(safe-area-inset-bottom)) auto; z-index: 2147483000; width: 56px; height: 56px; padding: 0;
      border: 2px solid transparent; border-radius: 50%; background: var(--accent); background-clip: border-box; color: var(--on);
      box-shadow: 0 4px 16px rgb(20 26 40 / 30%); cursor: pointer; transition: transform 0.16s; }
    button:hover { transform: scale(1.05); }
    button:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
    svg { position: absolute; inset: 12px; width: 28px; height: 28px; transition: opacity 0.16s, transform 0.16s; }
    [aria-expanded="false"] .away, [aria-expanded="true"] .chat { opacity: 0; transform: rotate(-45deg) scale(0.6); }
    .badge { position: absolute; inset: -4px -4px auto auto; min-width: 22px; padding: 0 6px; box-sizing: border-box; border-radius: 11px;
      background: var(--bad); color: var(--on-bad); font: 700 13px/22px system-ui, sans-serif; text-align: center; }
    .panel { position: fixed; inset: auto 20px 92px auto; z-index: 2147483000; width: 384px; height: min(600px, 100dvh - 112px); overflow: hidden;
      border: 1px solid var(--line); border-radius: 14px; background: var(--paper); box-shadow: 0 8px 32px rgb(20 26 40 / 30%);
      visibility: hidden; opacity: 0; transform: translateY(12px); transition: opacity 0.16s, transform 0.16s, visibility 0s 0.16s; }
    .panel[data-open] { visibility: visible; opacity: 1; transform: none; transition-delay: 0s; }
    iframe { display: block; width: 100%; height: 100%; border: 0; color-scheme: inherit; }
    .said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    .edge { position: absolute; width: 1px; height: 1px; }
    @media (max-width: 480px) {
      .panel { inset: 0; width: 100%; height: 100%; border: 0; border-radius: 0; }
      .panel[data-open] ~ button { display: none; }
    }
    @media (prefers-reduced-motion: reduce) { button, svg, .panel { transition: none; } button:hover { transform: none; } .panel { transform: none; } }
    @media print { .panel, button { display: none; } }`;

  /** Both pictures of the button: a balloon, and a cross. */
  const ICONS = {
    chat: { fill: "currentColor", d: "M12 3C6.5 3 2 6.7 2 11.3c0 2.5 1.3 4.7 3.4 6.2L5 21l4-2c1 .2 2 .4 3 .4 5.5 0 10-3.7 10-8.2S17.5 3 12 3Z" },
    away: { stroke: "currentColor", "stroke-width": "2.2", "stroke-linecap": "round", d: "M6 6 18 18M18 6 6 18" },
  };

  /**
   * `token` gives the token of whoever is signed in on the site: a text, or a function that does; it is
   * called again whenever one is wanted. `tokenUrl` is where it is fetched instead, as text or as JSON
   * with a field `token`. `lang` is es or en, `theme` system, light or dark.
   * @typedef {{token?: string | (() => string | null | Promise<string | null>), tokenUrl?: string,
   *            lang?: string, theme?: string}} Options
   */

  /** @template {keyof HTMLElementTagNameMap} T @param {T} tag @param {Record<string, string>} attributes */
  function element(tag, attributes = {}) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  /** @param {keyof typeof ICONS} name */
  function icon(name) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [key, value] of Object.entries({ class: name, viewBox: "0 0 24 24", "aria-hidden": "true" })) made.setAttribute(key, value);
    const path = document.createElementNS(made.namespaceURI, "path");
    for (const [key, value] of Object.entries(ICONS[name])) path.setAttribute(key, value);
    made.append(path);
    return made;
  }

  /** Seconds that a token is good for. @param {string} token */
  function left(token) {
    try {
      const claims = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
      return claims.exp - Date.now() / 1000;
    } catch {
      return 0;
    }
  }

  /** @param {Options} options @returns {Promise<string | null>} */
  async function fetched({ token, tokenUrl }) {
    if (typeof token === "function") return token();
    if (token) return token;
    if (!tokenUrl) return null;
    const answer = await fetch(tokenUrl, { credentials: "same-origin", headers: { Accept: "application/json" } });
    if (!answer.ok || answer.status === 204) return null;
    const json = (answer.headers.get("content-type") ?? "").includes("json");
    return json ? ((await answer.json()).token ?? null) : (await answer.text()).trim() || null;
  }

  class Widget {
    /** @type {string | null} */ #token = null;
    #options;
    #texts;
    #host = element("div");
    #button = element("button", { type: "button", "aria-expanded": "false" });
    #badge = element("span", { class: "badge", "aria-hidden": "true" });
    #said = element("span", { class: "said", role: "status" });
    #panel = element("div", { class: "panel", role: "dialog" });
    #frame = element("iframe");
    #edges = [element("div", { class: "edge" }), element("div", { class: "edge" })];
    #unread = 0;
    /** Whether the frame's page is there and listens. */ #ready = false;
    #closing = new AbortController();
    /** What the page's own overflow was. @type {string | null} */ #overflow = null;

    /** @param {Options} options */
    constructor(options) {
      this.#options = options;
      const lang = options.lang ?? document.documentElement.lang.slice(0, 2);
      const known = lang in TEXTS ? lang : "es";
      this.#texts = TEXTS[known];
      this.#host.dataset.theme = options.theme ?? "system";
      const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
      const query = new URLSearchParams({ de: location.origin, lang: known, tema: options.theme ?? "system", zona: zone });
      this.#frame.src = `${desk}/widget?${query}`;
      this.#frame.title = this.#texts.chat;
      this.#panel.setAttribute("aria-label", this.#texts.chat);
    }

    /** Shows the button, if somebody is signed in. */
    async start() {
      if (!(await this.#give(false)) || this.#closing.signal.aborted) return;
      this.#button.append(icon("chat"), icon("away"), this.#badge);
      this.#panel.append(this.#edges[0], this.#frame, this.#edges[1]);
      const root = this.#host.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE); // the page's policy for styles need not allow it
      root.adoptedStyleSheets = [sheet];
      root.append(this.#panel, this.#button, this.#said);
      this.#label();
      this.#listen();
      document.body.append(this.#host);
    }

    #listen() {
      const { signal } = this.#closing;
      const silent = setTimeout(() => this.#refused(), PATIENCE);
      signal.addEventListener("abort", () => clearTimeout(silent));
      window.addEventListener("message", ({ origin, source, data }) => {
        if (origin !== desk || source !== this.#frame.contentWindow) return;
        if (data?.registro === "listo") {
          clearTimeout(silent);
          this.#ready = true;
          if (this.#open) this.#tell({ registro: "abierto" }); // it was opened before
        }
        if (data?.registro === "token") this.#give(Boolean(data.nuevo)).then((token) => this.#tell({ registro: "token", token }));
        if (data?.registro === "sin_leer") this.#count(Number(data.numero) || 0);
        if (data?.registro === "cerrar") this.close();
      }, { signal });
      this.#button.addEventListener("click", () => (this.#open ? this.close() : this.open()));
      this.#host.shadowRoot?.addEventListener("keydown", (event) => {
        if (/** @type {KeyboardEvent} */ (event).key === "Escape") this.close();
      });
      // On a phone the panel is all there is: the keyboard stays in it.
      for (const edge of this.#edges) edge.addEventListener("focus", () => this.#frame.focus());
      PHONE.addEventListener("change", () => this.#fit(), { signal });
    }

    get #open() {
      return this.#panel.hasAttribute("data-open");
    }

    /** The panel is laid out while it is closed, too, so that the thread in it keeps its place.
     * @param {boolean} open */
    #show(open) {
      this.#panel.toggleAttribute("data-open", open);
      this.#fit();
      this.#label();
    }

    /** The site's token; null when there is none, or none can be had now. @param {boolean} fresh */
    async #give(fresh) {
      if (!fresh && this.#token && left(this.#token) > AHEAD) return this.#token;
      try {
        this.#token = await fetched(this.#options);
      } catch {
        this.#token = null;
      }
      return this.#token;
    }

    /** @param {Record<string, unknown>} what */
    #tell(what) {
      if (this.#ready) this.#frame.contentWindow?.postMessage(what, desk);
    }

    /** The frame shows nothing of ours: most likely our site is not allowed. */
    #refused() {
      console.warn(`Registro: the chat of ${desk} does not open here. Is ${location.origin} in its REGISTRO_ALLOWED_ORIGINS, and ${desk} in this page's frame-src?`);
      this.stop();
    }

    /** @param {number} unread */
    #count(unread) {
      if (unread > this.#unread && !this.#open) this.#said.textContent = this.#words(unread);
      this.#unread = unread;
      this.#label();
    }

    /** @param {number} unread */
    #words(unread) {
      return unread === 1 ? this.#texts.one : this.#texts.many.replace("{number}", String(unread));
    }

    #label() {
      const { open, close } = this.#texts;
      const waits = this.#unread && !this.#open;
      this.#badge.hidden = !waits;
      this.#badge.textContent = this.#unread > 99 ? "99+" : String(this.#unread);
      const words = this.#open ? close : open;
      this.#button.setAttribute("aria-label", waits ? `${words}, ${this.#words(this.#unread)}` : words);
      this.#button.setAttribute("aria-expanded", String(this.#open));
    }

    /** On a phone the page behind does not scroll, and the focus stays in the panel. */
    #fit() {
      const alone = PHONE.matches && this.#open;
      const { style } = document.documentElement;
      if (alone) this.#overflow ??= style.overflow;
      if (alone) style.overflow = "hidden";
      else if (this.#overflow !== null) {
        style.overflow = this.#overflow;
        this.#overflow = null;
      }
      this.#panel.setAttribute("aria-modal", String(alone));
      for (const edge of this.#edges) {
        if (alone) edge.tabIndex = 0;
        else edge.removeAttribute("tabindex");
      }
    }

    open() {
      if (!this.#host.isConnected) return;
      this.#said.textContent = "";
      this.#show(true);
      this.#frame.focus();
      this.#tell({ registro: "abierto" });
    }

    close() {
      if (!this.#open) return;
      const inside = this.#host.shadowRoot?.activeElement;
      this.#show(false);
      if (inside) this.#button.focus();
    }

    /** Takes the chat away. @param {{forget?: boolean}} how with `forget` also what was written and not sent */
    stop({ forget = false } = {}) {
      if (forget) this.#tell({ registro: "olvidar" });
      this.#closing.abort();
      this.#show(false);
      this.#button.hidden = true;
      // The message is on its way before the frame goes.
      setTimeout(() => this.#host.remove(), forget ? 200 : 0);
    }
  }

  /** @type {Widget | undefined} */ let widget;
  /** The newest call of `open` before anything was started. */
  let wanted = false;

  const Registro = {
    /** @param {Options} options */
    async start(options) {
      widget?.stop();
      const made = (widget = new Widget(options));
      await made.start();
      if (wanted && widget === made) made.open();
      wanted = false;
    },
    open() {
      if (widget) widget.open();
      else wanted = true;
    },
    close() {
      widget?.close();
    },
    /** @param {{forget?: boolean}} [how] */
    stop(how) {
      widget?.stop(how);
      widget = undefined;
    },
  };
  Object.assign(window, { Registro });

  const { token, tokenUrl, lang, theme } = script.dataset;
  if (!token && !tokenUrl) return;
  const begin = () => Registro.start({ token, tokenUrl, lang, theme });
  if (document.body) begin();
  else document.addEventListener("DOMContentLoaded", begin);
})();
