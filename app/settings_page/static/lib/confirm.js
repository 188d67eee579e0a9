// @ts-check
// Asks before something that cannot be undone.
import { adopt, button, h } from "./dom.js";
import sheet from "./confirm.css.js";
import { Slot } from "./slot.js";

/** @import { Context } from "./context.js" */

/**
 * Ask in a modal dialog. On yes, `act` runs while the dialog stays open; if it fails, the dialog says why.
 * @param {Context} context
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.text
 * @param {string} question.yes
 * @param {string} question.no
 * @param {string} question.doing the label of the yes button while `act` runs
 * @param {string} question.provider its title
 * @param {() => Promise<unknown>} question.act
 * @returns {Promise<boolean>} whether `act` has succeeded
 */
export function confirm(context, { title, text, yes, no, doing, provider, act }) {
	return new Promise((resolve) => {
		let done = false;
		const slot = new Slot(context, provider);
		const yesButton = button(yes, () => slot.run({
			control: yesButton,
			doing,
			work: act,
			done: () => {
				done = true;
				dialog.close();
			},
		}), "danger");
		const noButton = button(no, () => dialog.close(), "quiet", { autofocus: true });
		const dialog = h("dialog", {
			class: "confirm", part: "dialog", "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text",
			onclose: () => {
				slot.clear();
				dialog.remove();
				resolve(done);
			},
		},
		h("h2", { id: "confirm-title" }, title), h("p", { id: "confirm-text" }, text), slot.element,
		h("div", { class: "buttons end" }, noButton, yesButton));
		adopt(context.root, sheet);
		context.root.append(dialog);
		context.signal.addEventListener("abort", () => dialog.close(), { once: true });
		dialog.showModal();
	});
}
