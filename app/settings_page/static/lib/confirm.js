// A question before something that cannot be undone.
import { busy, button, h, notice } from "./dom.js";
import { adopt, load } from "./styles.js";

const sheet = await load(new URL("confirm.css", import.meta.url));

/**
 * Ask in a modal dialog inside `root`. `act` runs on yes, with the dialog open until it has worked; its failure
 * is shown in the dialog, in the words of `explain`. Resolves with true once it has worked, false otherwise.
 */
export function confirm(root, { title, text, yes, doing, no, act, explain }) {
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
			busy(yesButton, doing);
			problem.replaceChildren();
			try {
				await act();
				done = true;
				dialog.close();
			} catch (error) {
				problem.replaceChildren(notice("bad", explain(error)));
				busy(yesButton, null);
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
