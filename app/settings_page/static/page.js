// @ts-check
// The page around the element: takes the token from the link and removes it from the address bar.
import { AiAvatarSettings } from "./ai-avatar-settings.js";
import { h } from "./lib/dom.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const element = new AiAvatarSettings();

/** In development, reloading keeps the session. Elsewhere a token stays in memory alone. */
const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
const KEPT = "ai-avatar development session";

/** Read `#token=…&business=…` and remove it from the address bar; or what was kept. False if there is no token. */
function takeLink() {
	const link = location.hash.slice(1);
	const kept = isLocal ? sessionStorage.getItem(KEPT) : null;
	const session = new URLSearchParams(link.includes("token=") ? link : kept ?? "");
	const token = session.get("token");
	if (!token) return false;
	if (isLocal) sessionStorage.setItem(KEPT, session.toString());
	history.replaceState(null, "", location.pathname + location.search);
	element.businessId = session.get("business");
	element.accessToken = token;
	return true;
}

/** Without a token, say what this page is. */
function introduction() {
	return h("div", { class: "introduction" },
		h("h2", {}, "Open this page from your application"),
		h("p", {}, "It shows your business’s settings and videos once you have signed in there. The link that led here has ",
			"no session, or an old one."),
		h("p", {}, "Developers: ", h("a", { href: "../docs" }, "the API’s reference"), " and the element ",
			h("code", {}, "<ai-avatar-settings>"), " for your own pages."));
}

main.replaceChildren(takeLink() ? element : introduction());
// Opening a new link in the same tab only changes the hash. It continues an expired session.
addEventListener("hashchange", () => {
	if (takeLink() && !element.isConnected) main.replaceChildren(element);
});
