// @ts-check
// The card that makes videos: a page of the business's content items, each with its state. The open one is shown in place.
import { loadPart } from "../lib/api.js";
import { Card } from "../lib/card.js";
import { button, clear, fill, h, icon, skeleton } from "../lib/dom.js";
import { Slot } from "../lib/slot.js";
import { common, videos } from "../lib/strings.js";
import { isLive, stateOf } from "./generation.js";
import { Pager } from "./pager.js";

/** @import { Context } from "../lib/context.js" */
/** @import { ContentItem, Generation, Integration, Page, Provider } from "../lib/types.js" */
/** @import { VideoPane } from "./video-pane.js" */

const REFRESH_INTERVAL = 10_000; // ms, while a video other than the open one is in progress
const SEARCH_DELAY = 250; // ms

export class ListCard extends Card {
	#options; #words; #tools; #search; #filter; #list; #pager; #empty; #slot;
	/** @type {Map<string, ContentItem>} the shown page, by content id */
	#items = new Map();
	/** @type {Map<string, { row: HTMLButtonElement, node: HTMLElement, shown: string }>} by content id */
	#rows = new Map();
	/** @type {Map<string, ContentItem>} items whose videos are in progress, on this page or another one, by content id */
	#live = new Map();
	/** @type {string | null} the open item's content id */
	#open = null;
	/** @type {Integration[]} */
	#integrations = [];
	/** @type {VideoPane | null} */
	#pane = null;
	#loads = 0;
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#timer;
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#searchTimer;

	/** @param {Context} context @param {{ providers: Provider[], onchange: (generation: Generation) => void }} options */
	constructor(context, options) {
		const words = context.text.section("videos", videos);
		super(context, { name: "videos", title: words.title, text: h("p", {}, words.text), loading: words.loading,
			lead: h("span", { class: "tile" }, icon("film")) });
		this.#options = options;
		this.#words = words;
		this.#search = h("input", { type: "search", class: "input", part: "input", placeholder: words.search,
			"aria-label": words.search, autocomplete: "off", oninput: () => this.#searchSoon() });
		this.#filter = h("select", { class: "input", part: "input", "aria-label": words.filter, onchange: () => this.#restart() },
			...Object.entries(words.states).map(([value, label]) => h("option", { value: value === "all" ? "" : value }, label)));
		this.#slot = new Slot(context);
		this.#list = h("ul", { class: "contents", part: "list" });
		this.#pager = new Pager(context.text, words, (step) => this.#turn(step));
		this.#empty = h("div", { class: "empty" });
		this.#tools = h("div", { class: "tools list-tools" }, h("div", { class: "search" }, icon("search"), this.#search), this.#filter);
		this.setContent(this.#tools, h("div", { class: "card-slot" }, this.#slot.element), this.#list, this.#empty, this.#pager.element);
		context.signal.addEventListener("abort", () => this.#stop());
	}

	get #query() {
		return { q: this.#search.value.trim(), heygen_status: this.#filter.value, ...this.#pager.query };
	}

	get #isFiltered() { return Boolean(this.#query.q || this.#query.heygen_status); }

	/** Ask the service for the shown page; the open item and typed scripts stay. */
	async load() {
		this.#loads += 1;
		const load = this.#loads;
		for (;;) {
			const query = this.#query;
			const page = await this.context.api.items(query);
			if (load !== this.#loads) return;
			// What was typed meanwhile has not been asked for yet.
			if (JSON.stringify(query) === JSON.stringify(this.#query)) return this.#show(page);
		}
	}

	/** Videos can be made only with an active integration. @param {Integration[]} integrations */
	setIntegrations(integrations) {
		this.#integrations = integrations;
		this.#pane?.setIntegrations(integrations);
	}

	/** Open the first content item, for the first video. */
	openFirst() {
		const [id] = this.#items.keys();
		this.element.scrollIntoView({ block: "start" });
		if (!id) return this.heading?.focus();
		if (id !== this.#open) this.#choose(id);
		return this.#rows.get(id)?.row.focus();
	}

	#stop() {
		clearTimeout(this.#timer);
		clearTimeout(this.#searchTimer);
		this.#pane?.close();
	}

	/** @param {Page<ContentItem>} page */
	#show(page) {
		const { items } = page;
		this.showContent();
		this.#items = new Map(items.map((item) => [item.content_id, item]));
		for (const item of items) this.#noteLive(item);
		for (const id of this.#rows.keys()) if (!this.#items.has(id)) this.#dropRow(id);
		const nodes = items.map((item) => this.#row(item).node);
		// A node that stays in place keeps the focus and a video that plays.
		nodes.forEach((node, index) => {
			if (this.#list.children[index] !== node) this.#list.insertBefore(node, this.#list.children[index] ?? null);
		});
		this.#pager.show(page);
		this.#renderFrame();
		const open = this.#open && this.#items.get(this.#open);
		if (open) this.#pane?.refresh(open);
		this.#scheduleRefresh();
	}

	/** @param {string} id */
	#dropRow(id) {
		this.#rows.get(id)?.node.remove();
		this.#rows.delete(id);
		if (id !== this.#open) return;
		this.#open = null;
		this.#pane?.close();
	}

	#renderFrame() {
		const words = this.#words;
		const nothing = this.#items.size === 0;
		this.#tools.hidden = nothing && !this.#isFiltered;
		this.#list.hidden = nothing;
		this.#empty.hidden = !nothing;
		if (!nothing) return;
		fill(this.#empty, icon("film"),
			h("p", { class: "strong" }, this.#isFiltered ? words.nothingTitle : words.emptyTitle),
			h("p", {}, this.#isFiltered ? words.nothing : words.empty),
			this.#isFiltered && button(words.reset, () => this.#reset()));
	}

	#reset() {
		this.#search.value = "";
		this.#filter.value = "";
		this.#restart();
		this.#search.focus();
	}

	#searchSoon() {
		clearTimeout(this.#searchTimer);
		this.#searchTimer = setTimeout(() => this.#restart(), SEARCH_DELAY);
	}

	#restart() {
		this.#pager.restart();
		this.#loadHere(this.#list);
	}

	/** @param {-1 | 1} step */
	#turn(step) {
		const undo = this.#pager.turn(step);
		this.#loadHere(step > 0 ? this.#pager.next : this.#pager.previous, () => {
			this.element.scrollIntoView({ block: "nearest" });
			this.#list.querySelector("button")?.focus();
		}, undo);
	}

	/** @param {HTMLElement} control @param {() => void} [done] @param {() => void} [failed] */
	async #loadHere(control, done, failed) {
		if (control === this.#list) this.#list.toggleAttribute("data-loading", true);
		await this.#slot.run({ control, work: () => this.load(), done, failed });
		this.#list.toggleAttribute("data-loading", false);
	}

	/** @param {ContentItem} item */
	#row(item) {
		const id = item.content_id;
		let entry = this.#rows.get(id);
		if (!entry) {
			const row = h("button", { type: "button", class: "content", part: "item", id: `content-${id}`, "aria-expanded": "false",
				onclick: () => this.#choose(id) });
			entry = { row, node: h("li", {}, h("h3", {}, row)), shown: "" };
			this.#rows.set(id, entry);
		}
		const shown = JSON.stringify([item.content_title, stateOf(item)]);
		if (entry.shown !== shown) this.#renderRow(entry.row, item);
		entry.shown = shown;
		return entry;
	}

	/** @param {HTMLElement} row @param {ContentItem} item */
	#renderRow(row, item) {
		const state = stateOf(item);
		const title = item.content_title?.trim();
		fill(row,
			h("span", { class: title ? "content-title" : "content-title untitled" }, title ? h("bdi", {}, title) : this.#words.untitled),
			h("time", { datetime: item.created_at }, this.context.text.date(item.created_at)),
			h("span", { class: "chip", part: "state", "data-state": state }, this.#words.state[state]),
			icon("chevron"));
	}

	/** Open an item, or close it if it is open. @param {string} id */
	#choose(id) {
		const wasOpen = id === this.#open;
		if (this.#open) this.#setExpanded(this.#open, false);
		this.#list.querySelector(".pane-place")?.remove();
		this.#open = wasOpen ? null : id;
		this.#pane?.close();
		this.#scheduleRefresh();
		if (!wasOpen) this.#openPane(id);
	}

	/** The pane's code is loaded when an item is first opened; the click is acknowledged at once. @param {string} id */
	#openPane(id) {
		this.#setExpanded(id, true);
		const slot = new Slot(this.context);
		const lines = skeleton(this.context.text.section("common", common).opening, 2);
		const place = h("div", { class: "pane-place" }, this.#pane ? null : lines, slot.element);
		this.#rows.get(id)?.node.append(place);
		slot.run({
			control: lines,
			work: () => this.#loadPane(),
			done: (pane) => {
				const item = this.#items.get(id);
				if (this.#open !== id || !item) return; // another one was chosen meanwhile
				clear(place);
				place.append(pane.element);
				pane.open(item, `content-${id}`);
			},
		});
	}

	/** @param {string} id @param {boolean} expanded */
	#setExpanded(id, expanded) {
		this.#rows.get(id)?.row.setAttribute("aria-expanded", String(expanded));
	}

	async #loadPane() {
		const { VideoPane } = await loadPart(() => import("./video-pane.js"));
		this.#pane ??= new VideoPane(this.context, {
			providers: this.#options.providers,
			onitem: (item, generation) => this.#update(item, generation),
			onstale: () => this.load().catch(() => {}),
		});
		this.#pane.setIntegrations(this.#integrations);
		return this.#pane;
	}

	/** Take a new state of an item. @param {ContentItem} item @param {Generation | null} generation reported to the host, if it is news */
	#update(item, generation) {
		const wasLive = this.#live.has(item.content_id);
		this.#noteLive(item);
		if (this.#items.has(item.content_id)) {
			this.#items.set(item.content_id, item);
			this.#row(item);
		}
		if (wasLive && generation && !isLive(generation)) this.#announceEnd(item, generation);
		if (generation) this.#options.onchange(generation);
	}

	/** @param {ContentItem} item */
	#noteLive(item) {
		if (isLive(item.generation)) this.#live.set(item.content_id, item);
		else this.#live.delete(item.content_id);
	}

	/** @param {ContentItem} item @param {Generation} generation */
	#announceEnd(item, generation) {
		import("./notify.js").then(({ notifyEnd }) => notifyEnd(this.context, item, generation), () => {});
	}

	/** The open video has its event stream. The others are asked for by id, wherever they are in the list. */
	#scheduleRefresh() {
		clearTimeout(this.#timer);
		const ids = [...this.#live.keys()].filter((id) => id !== this.#open).slice(0, 100);
		if (ids.length === 0 || this.context.signal.aborted) return;
		this.#timer = setTimeout(async () => {
			// A failure is not shown: the next request may succeed.
			await this.#refresh(ids).catch(() => {});
			this.#scheduleRefresh();
		}, REFRESH_INTERVAL);
	}

	/** @param {string[]} ids */
	async #refresh(ids) {
		const { items } = await this.context.api.items({ content_id: ids, limit: 100 });
		for (const item of items) this.#update(item, item.generation);
		for (const id of ids) if (!items.some((item) => item.content_id === id)) this.#live.delete(id); // it is gone
	}
}
