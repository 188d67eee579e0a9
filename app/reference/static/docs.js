// Shows the OpenAPI document with Swagger UI. A link with credentials in its fragment, such as the one that
// `ai-avatar dev` prints, signs the visitor in: #accessToken=…&n8nKey=…, by the names of security schemes.

const SCHEMES = ["accessToken", "serviceKey", "n8nKey", "n8nToken"];

const fragment = new URLSearchParams(location.hash.slice(1));
const credentials = SCHEMES.filter((name) => fragment.get(name)).map((name) => [name, fragment.get(name)]);
if (credentials.length > 0) history.replaceState(null, "", location.pathname); // out of the address bar and the history

const ui = SwaggerUIBundle({
	url: "openapi.json",
	dom_id: "#swagger-ui",
	deepLinking: true,
	tryItOutEnabled: true,
	displayRequestDuration: true,
	defaultModelsExpandDepth: 0,
	onComplete() {
		for (const [name, value] of credentials) ui.preauthorizeApiKey(name, value);
		document.getElementById("session").hidden = credentials.length === 0;
	},
});
