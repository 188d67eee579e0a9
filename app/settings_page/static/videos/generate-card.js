// The card that makes videos: the business's content, each with its state; the chosen one opens in place.
import { Card } from "../lib/card.js";
import { button, h, icon, isLive } from "../lib/dom.js";
import { explain, strings } from "../lib/strings.js";

const LOOK_AGAIN = 20_000; // ms, while a video other than the open one is in the making

export class GenerateCard extends Card {
	#shared; #onchange;
	#items = new Map(); // by content id
	#rows = new Map();
	#cursor = null;
	#chosen = null;
	#integration = null;
	#pane = null;
	#timer = null;

	/** `onchange(generation)` for each new state of a video. */
	constructor({ onchange, ...shared }) {
		super("generate-title", "film", strings.videos, shared.provider);
		this.#shared = shared;
		this.#onchange = onchange;
		const words = strings.videos;
		this.list = h("ul", { class: "contents" });
		this.more = button(words.more, () => this.#more(), "link");
		this.body = h("div", { class: "list" }, this.list, this.more);
		this.empty = h("div", { class: "empty" }, icon("film"),
			h("p", { class: "strong" }, words.emptyTitle), h("p", {}, words.empty));
		this.content.append(this.empty, this.body);
	}

	/** The first page of contents. What is chosen and typed stays. */
	show({ items, next_cursor: cursor }) {
		this.loaded();
		if (this.#items.size === 0) this.#cursor = cursor;
		for (const item of items) this.#add(item);
		this.empty.hidden = this.#items.size > 0;
		this.body.hidden = this.#items.size === 0;
		this.more.hidden = !this.#cursor;
		if (this.#chosen) this.#pane?.refresh(this.#items.get(this.#chosen));
		this.#watch();
	}

	/** Whether videos can be made depends on the integration. */
	setIntegration(integration) {
		this.#integration = integration;
		this.#pane?.setIntegration(integration);
	}

	stop() {
		clearTimeout(this.#timer);
		this.#pane?.close();
	}

	#add(item) {
		const id = item.content_id;
		this.#items.set(id, item);
		if (!this.#rows.has(id)) {
			const row = h("button", { type: "button", class: "content", id: `content-${id}`, "aria-expanded": "false",
				onclick: () => this.#choose(id) });
			this.#rows.set(id, row);
			this.list.append(h("li", {}, h("h3", {}, row)));
		}
		this.#drawRow(item);
	}

	#drawRow(item) {
		const state = stateOf(item);
		const date = new Date(item.created_at).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
		this.#rows.get(item.content_id).replaceChildren(
			h("span", { class: "content-title" }, item.content_title || strings.videos.untitled),
			h("time", { datetime: item.created_at }, date),
			h("span", { class: "chip", "data-state": state }, strings.videos[state]),
			icon("chevron"));
	}

	async #choose(id) {
		const same = id === this.#chosen;
		this.#rows.get(this.#chosen)?.setAttribute("aria-expanded", "false");
		this.#chosen = same ? null : id;
		this.#pane?.close();
		this.#watch();
		if (same) return;
		const row = this.#rows.get(id);
		row.setAttribute("aria-expanded", "true");
		try {
			const { VideoPane } = await import("./video-pane.js");
			this.#pane ??= new VideoPane({ ...this.#shared, ongeneration: (...news) => this.#moved(...news) });
		} catch {
			row.setAttribute("aria-expanded", "false");
			this.#chosen = null;
			this.#shared.say(explain({ code: "unreachable" }).what);
			return;
		}
		if (this.#chosen !== id) return; // another one was chosen meanwhile
		this.#pane.setIntegration(this.#integration);
		row.closest("li").append(this.#pane.element);
		this.#pane.open(this.#items.get(id), row.id);
	}

	#moved(id, generation) {
		const item = this.#items.get(id);
		item.generation = generation;
		item.heygen_status = generation.heygen_status;
		item.heygen_url = generation.video_url ?? item.heygen_url;
		this.#drawRow(item);
		this.#onchange(generation);
	}

	async #more() {
		try {
			const page = await this.#shared.api.videos(this.#cursor);
			const known = this.#items.size;
			this.#cursor = page.next_cursor;
			for (const item of page.items) this.#add(item);
			this.list.children[known]?.querySelector("button").focus();
		} catch (error) {
			this.#shared.say(explain(error, this.#shared.provider).what);
		}
		this.more.hidden = !this.#cursor;
	}

	/** The open video has its event stream; for the others one request now and then is enough. */
	#watch() {
		clearTimeout(this.#timer);
		if (![...this.#items.values()].some((item) => isLive(item.generation) && item.content_id !== this.#chosen)) return;
		this.#timer = setTimeout(async () => {
			if (!document.hidden) await this.#shared.api.videos().then((page) => this.show(page), () => {}); // next time, then
			this.#watch();
		}, LOOK_AGAIN);
	}
}

/** What a content's row says. A `processing` that no live generation stands behind means nothing. */
function stateOf({ generation, heygen_status: status }) {
	if (isLive(generation)) return "live";
	return status === "completed" || status === "failed" ? status : "none";
}
