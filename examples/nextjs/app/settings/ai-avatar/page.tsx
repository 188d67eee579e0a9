import { type AiAvatarClient, AiAvatarError } from "ai-avatar-client";
import { Settings } from "@/components/ai-avatar";
import { SERVICE_URL } from "@/lib/config";
import { createClient } from "@/lib/service";

/** The service's settings card instead of the original's form. */
export default async function Page() {
	const client = await createClient();
	return (
		<>
			<h1>AI avatar</h1>
			<p>Status: {await readStatus(client)}</p>
			<Settings serviceUrl={SERVICE_URL} />
		</>
	);
}

/** A page should not fail because the service does: the element below says so itself, and loads when it is back. */
async function readStatus(client: AiAvatarClient): Promise<string> {
	try {
		const { items } = await client.listIntegrations({ provider: "heygen" });
		return items[0]?.status ?? "not connected";
	} catch (error) {
		if (error instanceof AiAvatarError) return error.message;
		throw error;
	}
}
