/** Return a URL without slashes at its end. Throws if it is undefined, as an environment variable may be. */
export function requireUrl(name: "baseUrl" | "serviceUrl", url: string | undefined): string {
	if (typeof url === "string") return url.replace(/\/+$/, "");
	throw new Error(`ai-avatar-client: ${name} is not set. Set it to the service's URL, such as http://127.0.0.1:8000.`);
}
