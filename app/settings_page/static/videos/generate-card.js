// @ts-check
// The card that makes videos: the business's content items, each with its state. The chosen one opens in place.
import { Card } from "../lib/card.js";
import { button, h, icon } from "../lib/dom.js";
import { explain } from "../lib/explain.js";
import { strings } from "../lib/strings.js";
import { isLive, stateOf } from "./generation.js";

/** @import { Context } from "../lib/context.js" */
/** @import { ContentItem, Generation, Integration, Page } from "../lib/types.js" */
/** @import { VideoPane } from "./video-pane.js" */

const REFRESH_INTERVAL = 20_000; // ms, while a video other than the open one is in progress

export class GenerateCard extends Card {
	#context; #onchange; #list; #more; #body; #empty;
	/** @type {Map<string, ContentItem>} by content id */
	#items = new Map();
	/** @type {Map<string, HTMLButtonElement>} by content id */
	#rows = new Map();
	/** @type {string | null} */
	#cursor = null;
	/** @type {string | null} the open item's content id */
	#chosen = null;
	/** @type {Integration | null} */
	#integration = null;
	/** @type {VideoPane | null} */
	#pane = null;
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#timer;

	/** @param {Context & { onchange: (generation: Generation) => void }} options `onchange` gets each new state of a video */
	constructor({ onchange, ...context }) {
		const words = strings.videos;
		super({ id: "generate-title", iconName: "film", words, provider: context.provider });
		this.#context = context;
		this.#onchange = onchange;
		this.#list = h("ul", { class: "contents" });
		this.#more = button(words.more, () => this.#loadMore(), "link");
		this.#body = h("div", { class: "list" }, this.#list, this.#more);
		this.#empty = h("div", { class: "empty" }, icon("film"),
			h("p", { class: "strong" }, words.emptyTitle), h("p", {}, words.empty));
		this.setContent(this.#empty, this.#body);
	}

	/** Show the first page of content items. The open item and typed scripts stay. @param {Page<ContentItem>} page */
	show({ items, next_cursor: cursor }) {
		this.showContent();
		if (this.#items.size === 0) this.#cursor = cursor;
		for (const item of items) this.#add(item);
		this.#empty.hidden = this.#items.size > 0;
		this.#body.hidden = this.#items.size === 0;
		this.#more.hidden = !this.#cursor;
		const chosen = this.#chosen && this.#items.get(this.#chosen);
		if (chosen) this.#pane?.refresh(chosen);
		this.#scheduleRefresh();
	}

	/** Videos can be made only with an active integration. @param {Integration | null} integration */
	setIntegration(integration) {
		this.#integration = integration;
		this.#pane?.setIntegration(integration);
	}

	stop() {
		clearTimeout(this.#timer);
		this.#pane?.close();
	}

	/** @param {ContentItem} item */
	#add(item) {
		const id = item.content_id;
		this.#items.set(id, item);
		let row = this.#rows.get(id);
		if (!row) {
			row = h("button", { type: "button", class: "content", id: `content-${id}`, "aria-expanded": "false",
				onclick: () => this.#choose(id) });
			this.#rows.set(id, row);
			this.#list.append(h("li", {}, h("h3", {}, row)));
		}
		this.#renderRow(row, item);
	}

	/** @param {HTMLElement} row @param {ContentItem} item */
	#renderRow(row, item) {
		const state = stateOf(item);
		const date = new Date(item.created_at).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
		row.replaceChildren(
			h("span", { class: "content-title" }, item.content_title || strings.videos.untitled),
			h("time", { datetime: item.created_at }, date),
			h("span", { class: "chip", "data-state": state }, strings.videos[state]),
			icon("chevron"));
	}

	/** Open an item, or close it if it is open. @param {string} id */
	async #choose(id) {
		const wasOpen = id === this.#chosen;
		if (this.#chosen) this.#setExpanded(this.#chosen, false);
		this.#chosen = wasOpen ? null : id;
		this.#pane?.close();
		this.#scheduleRefresh();
		if (wasOpen) return;
		this.#setExpanded(id, true);
		const pane = await this.#loadPane();
		if (!pane) {
			this.#setExpanded(id, false);
			this.#chosen = null;
			this.#context.announce(explain({ code: "unreachable" }, this.provider).what);
			return;
		}
		const row = this.#rows.get(id);
		const item = this.#items.get(id);
		if (this.#chosen !== id || !row || !item) return; // another one was chosen meanwhile
		pane.setIntegration(this.#integration);
		row.closest("li")?.append(pane.element);
		pane.open(item, row.id);
	}

	/** @param {string} id @param {boolean} expanded */
	#setExpanded(id, expanded) {
		this.#rows.get(id)?.setAttribute("aria-expanded", String(expanded));
	}

	/** The pane's code is loaded when an item is first opened; null if that fails. */
	async #loadPane() {
		try {
			const { VideoPane } = await import("./video-pane.js");
			this.#pane ??= new VideoPane({
				...this.#context,
				ongeneration: (contentId, generation) => this.#update(contentId, generation),
			});
			return this.#pane;
		} catch {
			return null;
		}
	}

	/** Take a new state of a video. @param {string} contentId @param {Generation} generation */
	#update(contentId, generation) {
		const item = this.#items.get(contentId);
		const row = this.#rows.get(contentId);
		if (!item || !row) return;
		item.generation = generation;
		item.heygen_status = generation.heygen_status;
		item.heygen_url = generation.video_url ?? item.heygen_url;
		this.#renderRow(row, item);
		this.#onchange(generation);
	}

	async #loadMore() {
		try {
			const page = await this.#context.api.videos(this.#cursor);
			const known = this.#items.size;
			this.#cursor = page.next_cursor;
			for (const item of page.items) this.#add(item);
			this.#list.children[known]?.querySelector("button")?.focus();
		} catch (error) {
			this.#context.announce(explain(error, this.provider).what);
		}
		this.#more.hidden = !this.#cursor;
	}

	/** The open video has its event stream. The others are refreshed with one request now and then. */
	#scheduleRefresh() {
		clearTimeout(this.#timer);
		const others = [...this.#items.values()].filter((item) => item.content_id !== this.#chosen);
		if (!others.some((item) => isLive(item.generation))) return;
		this.#timer = setTimeout(async () => {
			// A failure is not shown: the next request may succeed.
			if (!document.hidden) await this.#context.api.videos().then((page) => this.show(page), () => {});
			this.#scheduleRefresh();
		}, REFRESH_INTERVAL);
	}
}
