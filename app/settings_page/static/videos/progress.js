// @ts-check
// The progress of a video: its stage, the elapsed time, and a button to cancel.
import { formatElapsed } from "../lib/clock.js";
import { button, h, icon } from "../lib/dom.js";
import { strings } from "../lib/strings.js";

/** @import { LiveGeneration } from "../lib/types.js" */

export class Progress {
	#provider; #announce; #now; #elapsed; #stages; #lost;
	/** @type {ReturnType<typeof setInterval> | undefined} */
	#timer;
	#announced = "";

	/** @param {{ provider: string, announce: (message: string) => void, oncancel: () => void }} options */
	constructor({ provider, announce, oncancel }) {
		const words = strings.progress;
		this.#provider = provider;
		this.#announce = announce;
		this.#now = h("p", { class: "progress-now", tabindex: "-1" });
		this.#elapsed = h("span", { class: "elapsed", role: "timer", "aria-label": words.elapsed });
		this.#stages = words.stages.map((stage) => h("li", {}, h("span", {}, stage)));
		this.#lost = h("p", { class: "lost", role: "status" });
		this.element = h("div", { class: "progress", hidden: true },
			h("div", { class: "progress-head" }, this.#now, this.#elapsed),
			h("ol", { class: "stages" }, ...this.#stages),
			this.#lost,
			h("div", { class: "actions" }, h("p", { class: "hint" }, words.wait), button(strings.videos.cancel, oncancel)));
	}

	/** @param {LiveGeneration | null} generation null hides the progress */
	show(generation) {
		this.element.hidden = !generation;
		if (!generation) return this.stop();
		const stage = generation.status === "dispatching" ? 0 : generation.video_id ? 2 : 1;
		const words = strings.progress.now(this.#provider)[stage];
		if (this.#announced !== `${generation.id} ${stage}`) {
			this.#announced = `${generation.id} ${stage}`;
			this.#now.textContent = words;
			this.#announce(words);
		}
		this.#stages.forEach((item, index) => {
			item.dataset.state = index < stage ? "done" : index === stage ? "now" : "next";
			if (index === stage) item.setAttribute("aria-current", "step");
			else item.removeAttribute("aria-current");
		});
		clearInterval(this.#timer);
		const requested = new Date(generation.requested_at).getTime();
		const tick = () => { this.#elapsed.textContent = formatElapsed(Date.now() - requested); };
		tick();
		this.#timer = setInterval(tick, 1000);
	}

	focus() {
		this.#now.focus();
	}

	/** @param {boolean} connected */
	setConnected(connected) {
		this.#lost.replaceChildren(...(connected ? [] : [icon("warn"), strings.progress.reconnecting]));
	}

	stop() {
		clearInterval(this.#timer);
		this.setConnected(true);
	}
}
