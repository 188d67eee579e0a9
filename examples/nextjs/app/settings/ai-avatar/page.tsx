import { Settings } from "@/components/ai-avatar";
import { SERVICE_URL } from "@/lib/config";
import { createClient } from "@/lib/service";

/** The service's settings card instead of the original's form. */
export default async function Page() {
	const client = await createClient();
	const { items } = await client.listIntegrations({ provider: "heygen" });
	return (
		<>
			<h1>AI avatar</h1>
			<p>Status: {items[0]?.status ?? "not connected"}</p>
			<Settings serviceUrl={SERVICE_URL} />
		</>
	);
}
