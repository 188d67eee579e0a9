// @ts-check
// Asks before something that cannot be undone.
import { button, h, notice, setBusy } from "./dom.js";
import { adopt } from "./styles.js";
import sheet from "./confirm.css.js";

/** @import { Message } from "./types.js" */

/**
 * Ask in a modal dialog. On yes, `act` runs while the dialog stays open; if it fails, the dialog shows why.
 * @param {ShadowRoot} root
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.text
 * @param {string} question.yes
 * @param {string} question.no
 * @param {string} question.doing the label of the yes button while `act` runs
 * @param {() => Promise<unknown>} question.act
 * @param {(error: unknown) => Message} question.explain
 * @returns {Promise<boolean>} whether `act` has succeeded
 */
export function confirm(root, { title, text, yes, no, doing, act, explain }) {
	return new Promise((resolve) => {
		let done = false;
		const problem = h("div", { role: "alert" });
		const yesButton = button(yes, run, "danger");
		const noButton = button(no, () => dialog.close(), "quiet", { autofocus: true });
		const dialog = h("dialog", { "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text", onclose },
			h("h2", { id: "confirm-title" }, title),
			h("p", { id: "confirm-text" }, text),
			problem,
			h("div", { class: "actions" }, noButton, yesButton),
		);

		async function run() {
			if (yesButton.hasAttribute("data-busy")) return;
			setBusy(yesButton, doing);
			problem.replaceChildren();
			try {
				await act();
				done = true;
				dialog.close();
			} catch (error) {
				problem.replaceChildren(notice("bad", explain(error)));
				setBusy(yesButton, null);
			}
		}
		function onclose() {
			dialog.remove();
			resolve(done);
		}
		adopt(root, sheet);
		root.append(dialog);
		dialog.showModal();
	});
}
