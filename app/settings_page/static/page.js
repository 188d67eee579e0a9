// The page around the element: takes its token from the link and forgets where it came from.
import { h } from "./lib/dom.js";
import { strings } from "./lib/strings.js";
import "./ai-avatar-settings.js";

const main = document.getElementById("main");
const element = document.createElement("ai-avatar-settings");

/** Read `#token=…&business=…` and take it out of the address bar before anything else happens. */
function takeLink() {
	const link = new URLSearchParams(location.hash.slice(1));
	const token = link.get("token");
	if (!token) return false;
	history.replaceState(null, "", location.pathname + location.search);
	const business = link.get("business");
	if (business) element.setAttribute("business-id", business);
	element.accessToken = token;
	return true;
}

function show(signedIn) {
	if (signedIn) return main.replaceChildren(element);
	const src = new URL("ai-avatar-settings.js", import.meta.url).href;
	const [before, between, after] = strings.page.lonely;
	return main.replaceChildren(
		h("p", { class: "lonely" },
			before, h("code", {}, `<script type="module" src="${src}">`),
			between, h("code", {}, "<ai-avatar-settings>"), after),
	);
}

show(takeLink());
// A new link opened in the same tab only changes the hash: that is how an expired session goes on.
addEventListener("hashchange", () => {
	if (takeLink() && !element.isConnected) show(true);
});
