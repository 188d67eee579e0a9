import { withLegacyHeygenFields } from "ai-avatar-client/legacy";
import { HeygenSettingsForm } from "@/components/heygen-settings-form";
import { createClient, getBusiness } from "@/lib/service";

/** The original's integrations page: only the query of its business has changed. */
export default async function Page() {
	const client = await createClient();
	const business = await getBusiness();
	const { items } = await client.listIntegrations({ business_id: business.id });
	return (
		<>
			<h1>Integrations</h1>
			<div className="card">
				<h2>AI Avatar Video Generation</h2>
				<p>Configure your HeyGen integration for AI avatar video generation with custom avatars and voices.</p>
				<HeygenSettingsForm business={withLegacyHeygenFields(business, items)} />
			</div>
		</>
	);
}
