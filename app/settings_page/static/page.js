// @ts-check
// The page around the element: takes the token from the link and removes it from the address bar.
import { AiAvatarSettings } from "./ai-avatar-settings.js";
import { h } from "./lib/dom.js";
import { strings } from "./lib/strings.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const element = new AiAvatarSettings();

/** Read `#token=…&business=…` and remove it from the address bar. False if there is no token. */
function takeLink() {
	const link = new URLSearchParams(location.hash.slice(1));
	const token = link.get("token");
	if (!token) return false;
	history.replaceState(null, "", location.pathname + location.search);
	const business = link.get("business");
	if (business) element.businessId = business;
	element.accessToken = token;
	return true;
}

/** Without a token, say what this page is. */
function introduction() {
	const src = new URL("ai-avatar-settings.js", import.meta.url).href;
	const [before, between, after] = strings.page.introduction;
	return h("p", { class: "introduction" },
		before, h("code", {}, `<script type="module" src="${src}">`),
		between, h("code", {}, "<ai-avatar-settings>"), after);
}

main.replaceChildren(takeLink() ? element : introduction());
// Opening a new link in the same tab only changes the hash. It continues an expired session.
addEventListener("hashchange", () => {
	if (takeLink() && !element.isConnected) main.replaceChildren(element);
});
